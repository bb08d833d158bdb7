// Plays the cases of test/integration/interoperability.test.ts against the server on the Unix socket argv[1], and prints what came of
// each as a line of JSON.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"
)

// bytesCodec hands messages on as they are.
type bytesCodec struct{}

func (bytesCodec) Marshal(v any) ([]byte, error)      { return *v.(*[]byte), nil }
func (bytesCodec) Unmarshal(data []byte, v any) error { *v.(*[]byte) = bytes.Clone(data); return nil }
func (bytesCodec) Name() string                       { return "proto" }

var both = &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}

func tell(name string, result any) {
	line, _ := json.Marshal(map[string]any{"name": name, "result": result})
	fmt.Println(string(line))
}

func ended(err error) map[string]any {
	return map[string]any{"code": int(status.Code(err)), "details": status.Convert(err).Message()}
}

func main() {
	connection, err := grpc.NewClient("unix:"+os.Args[1],
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(bytesCodec{})))
	if err != nil {
		panic(err)
	}
	defer connection.Close()
	whole := context.Background()
	unary := func(ctx context.Context, method string, request []byte, options ...grpc.CallOption) ([]byte, error) {
		var response []byte
		err := connection.Invoke(ctx, "/interop.Test/"+method, &request, &response, options...)
		return response, err
	}
	open := func(ctx context.Context, method string) grpc.ClientStream {
		stream, err := connection.NewStream(ctx, both, "/interop.Test/"+method)
		if err != nil {
			panic(err)
		}
		return stream
	}
	send := func(stream grpc.ClientStream, message []byte) {
		if err := stream.SendMsg(&message); err != nil {
			panic(err)
		}
	}
	receive := func(stream grpc.ClientStream) ([]byte, error) {
		var message []byte
		err := stream.RecvMsg(&message)
		return message, err
	}

	response, err := unary(whole, "Echo", []byte("hello"))
	tell("unary", []any{string(response), int(status.Code(err))})
	response, err = unary(whole, "Echo", bytes.Repeat([]byte("x"), 900_000))
	tell("large", []any{len(response), int(status.Code(err))})
	_, err = unary(whole, "Echo", bytes.Repeat([]byte("x"), 2_000_000))
	tell("too large", int(status.Code(err)))
	_, err = unary(whole, "Fail", nil)
	tell("details", ended(err))
	_, err = unary(whole, "Missing", nil)
	tell("unknown method", int(status.Code(err)))
	_, err = unary(whole, "Echo", []byte("hello"), grpc.UseCompressor("gzip"))
	tell("compressed", int(status.Code(err)))

	counting := open(whole, "Count")
	send(counting, nil)
	_ = counting.CloseSend()
	counts := []int{}
	for {
		message, err := receive(counting)
		if err != nil {
			tell("server streaming", map[string]any{"bytes": counts, "end": err.Error()})
			break
		}
		counts = append(counts, len(message))
	}

	chat := open(whole, "Chat")
	said := []string{}
	for _, word := range []string{"one", "two", "three"} {
		send(chat, []byte(word))
		message, _ := receive(chat)
		said = append(said, string(message))
	}
	_ = chat.CloseSend()
	_, err = receive(chat)
	tell("duplex", map[string]any{"said": said, "end": err.Error()})

	soon, forget := context.WithTimeout(whole, 200*time.Millisecond)
	_, err = unary(soon, "Never", nil)
	forget()
	tell("deadline", int(status.Code(err)))

	cancelled, cancel := context.WithCancel(whole)
	stream := open(cancelled, "Chat")
	send(stream, []byte("one"))
	_, _ = receive(stream)
	cancel()
	_, err = receive(stream)
	tell("cancelled", int(status.Code(err)))

	// The server closes when it hears of this, and another takes its place.
	last := open(whole, "Chat")
	send(last, []byte("close"))
	_, _ = receive(last)
	_, err = receive(last)
	tell("closing", ended(err))
	response, err = unary(whole, "Echo", []byte("again"), grpc.WaitForReady(true))
	tell("after GOAWAY", []any{string(response), int(status.Code(err))})
}
