"""Processes that connect to an SDS socket, each with a connection of its own, and let the benchmark talk through it.

processes.py SDS_SOCKET BENCH_SOCKET COUNT: each process connects to both, says its pid to the second (four bytes), and passes on what
comes. It ends when either side does.
"""

import os
import selectors
import socket
import struct
import sys

SDS, BENCH, COUNT = sys.argv[1], sys.argv[2], int(sys.argv[3])
CHUNK = 65536


def connected(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    return connection


def pass_on():
    sds, bench = connected(SDS), connected(BENCH)
    bench.sendall(struct.pack(">I", os.getpid()))
    selector = selectors.DefaultSelector()
    selector.register(sds, selectors.EVENT_READ, bench)
    selector.register(bench, selectors.EVENT_READ, sds)
    while True:
        for key, _ in selector.select():
            data = key.fileobj.recv(CHUNK)
            if not data:
                return
            key.data.sendall(data)


for _ in range(COUNT):
    if os.fork() == 0:
        try:
            pass_on()
        except OSError:
            pass
        os._exit(0)
for _ in range(COUNT):
    os.wait()
