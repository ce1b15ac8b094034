#!/usr/bin/env python3
"""A link between two hosts, as ssh and sshd are: a process on either side, bytes in between.

    link.py serve SOCKET                    on the far host: runs what is asked for
    link.py connect SOCKET HOST COMMAND...  instead of ssh

With LINK_CUT=KIND:FILE in its environment the first message of this kind does not get through: the connection says so by
making the FILE, waits for FILE.go, and is gone.
"""
import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import time

PIECE = 65536


def cut(data):
    kind, _, path = os.environ.get("LINK_CUT", "").partition(":")
    if not kind or os.path.exists(path) or b"smig" + struct.pack("<I", int(kind)) not in data:
        return
    open(path, "w", encoding="ascii").close()
    while not os.path.exists(path + ".go"):
        time.sleep(0.01)
    os._exit(0)


def relay(pairs):
    """Bytes from each to its other end, until one of them is closed by the far side."""
    select = selectors.DefaultSelector()
    for source, sink in pairs:
        select.register(source, selectors.EVENT_READ, sink)
    while True:
        for key, _ in select.select():
            data = os.read(key.fd, PIECE)
            if not data:
                # What the other direction still has is said first.
                select.unregister(key.fd)
                if key.fd == pairs[0][0] or not select.get_map():
                    return
                try:
                    socket.socket(fileno=os.dup(key.data)).shutdown(socket.SHUT_WR)
                except OSError:
                    os.close(key.data)
                continue
            cut(data)
            view = memoryview(data)
            try:
                while view:
                    view = view[os.write(key.data, view):]
            except OSError:
                pass  # nobody reads: what he has said before still comes the other way


def session(conn):
    """One connection: the words, then the command's input and output."""
    line = b""
    while not line.endswith(b"\n"):  # and not a byte of what is behind it
        line += conn.recv(1)
    words = json.loads(line)
    mine, its = socket.socketpair()
    child = subprocess.Popen(words, stdin=its, stdout=its)
    its.close()
    try:
        relay([(mine.fileno(), conn.fileno()), (conn.fileno(), mine.fileno())])
    except OSError:
        pass
    mine.close()
    conn.close()
    child.wait()


def serve(path):
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    server = socket.socket(socket.AF_UNIX)
    server.bind(path + ".new")
    server.listen()
    os.rename(path + ".new", path)
    while True:
        conn, _ = server.accept()
        if os.fork() == 0:
            server.close()
            if os.fork() == 0:
                session(conn)
            os._exit(0)
        conn.close()
        os.wait()


def connect(path, words):
    conn = socket.socket(socket.AF_UNIX)
    conn.connect(path)
    conn.sendall(json.dumps(words).encode() + b"\n")
    try:
        relay([(conn.fileno(), 1), (0, conn.fileno())])
    except OSError:
        pass


if sys.argv[1] == "serve":
    serve(sys.argv[2])
else:
    connect(sys.argv[2], sys.argv[4:])
