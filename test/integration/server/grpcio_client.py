"""Plays the cases of interoperability.test.ts against the server on the Unix socket argv[1]; prints what came of each as a line of JSON."""
import json
import queue
import sys

import grpc

SERVICE = "/interop.Test/"


def tell(name, result):
    print(json.dumps({"name": name, "result": result}), flush=True)


def code(call):
    return call.code().value[0]


def unary(method, request, **options):
    """The response, or the error that is a call, too."""
    try:
        return channel.unary_unary(SERVICE + method)(request, **options)
    except grpc.RpcError as error:
        return error


def chat():
    """Puts what is to be sent into the queue; None ends it."""
    requests = queue.Queue()
    return requests, channel.stream_stream(SERVICE + "Chat")(iter(requests.get, None))


def end(call):
    try:
        next(call)
    except StopIteration:
        return "EOF"
    except grpc.RpcError:
        return {"code": code(call), "details": call.details()}
    return "a message"


with grpc.insecure_channel("unix:" + sys.argv[1]) as channel:
    tell("unary", [unary("Echo", b"hello").decode(), 0])
    tell("large", [len(unary("Echo", b"x" * 900_000)), 0])
    tell("too large", code(unary("Echo", b"x" * 2_000_000)))
    failed = unary("Fail", b"")
    tell("details", {"code": code(failed), "details": failed.details()})
    tell("unknown method", code(unary("Missing", b"")))
    tell("compressed", code(unary("Echo", b"x" * 1000, compression=grpc.Compression.Gzip)))

    counting = channel.unary_stream(SERVICE + "Count")(b"")
    tell("server streaming", {"bytes": [len(message) for message in counting], "end": "EOF"})

    requests, call = chat()
    said = []
    for word in ("one", "two", "three"):
        requests.put(word.encode())
        said.append(next(call).decode())
    requests.put(None)
    tell("duplex", {"said": said, "end": end(call)})

    tell("deadline", code(unary("Never", b"", timeout=0.2)))

    requests, call = chat()
    requests.put(b"one")
    next(call)
    call.cancel()
    tell("cancelled", code(call))
    requests.put(None)

    # The server closes when it hears of this, and another takes its place.
    requests, call = chat()
    requests.put(b"close")
    next(call)
    tell("closing", end(call))
    requests.put(None)
    tell("after GOAWAY", [unary("Echo", b"again", wait_for_ready=True, timeout=20).decode(), 0])
