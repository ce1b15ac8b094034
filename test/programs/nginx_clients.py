"""Clients of a web server at these addresses that keep their connections, and count their requests into the file 'requests'.

They ask one by one and eight at once, fetch a large file slowly, put large files, and stop in the middle of a request until the
server has been away.
"""
import socket
import sys
import time

from served import away, over, path, rounds, say, together

addresses = sys.argv[1:]
with open(path("www/large"), "rb") as stored:
    large = stored.read()
requests = []


def reply(file):
    """The body of the next reply."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = file.readline()
        assert line, f"the connection has ended behind {head!r}"
        head += line
    assert head.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 201 ", b"HTTP/1.1 204 ")), head
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
    requests.append(1)
    length = int(fields.get(b"content-length", 0))
    body = file.read(length)
    assert len(body) == length, f"{len(body)} bytes of {length}"
    return body


def connect(address):
    sock = socket.create_connection((address, 80), timeout=60)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock, sock.makefile("rb")


def ask(address, at_once):
    """The same connection for all."""
    sock, file = connect(address)
    number = 0
    while not over():
        names = [f"/small/{(number + i) % 50}" for i in range(at_once)]
        sock.sendall(b"".join(b"GET %s HTTP/1.1\r\nHost: it\r\n\r\n" % name.encode() for name in names))
        for name in names:
            said = reply(file)
            assert said == f"this is {name}\n".encode() * 20, f"{name}: {said[:50]}"
        number += at_once
        time.sleep(0.002)


def fetch(address):
    """With a window that is full most of the time."""
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    sock.settimeout(60)
    sock.connect((address, 80))
    file = sock.makefile("rb")
    while not over():
        sock.sendall(b"GET /large HTTP/1.1\r\nHost: it\r\n\r\n")
        for line in file:
            if line == b"\r\n":
                break
        got = b""
        while len(got) < len(large):
            piece = file.read(min(100_000, len(large) - len(got)))
            assert piece, f"the large file ends behind {len(got)} bytes"
            got += piece
            time.sleep(0.002)
        assert got == large, "the large file has changed"
        requests.append(1)


def put(address):
    sock, file = connect(address)
    number = 0
    while not over():
        sock.sendall(b"PUT /put/%d HTTP/1.1\r\nHost: it\r\nContent-Length: %d\r\n\r\n" % (number, len(large)))
        for at in range(0, len(large), 100_000):
            sock.sendall(large[at:at + 100_000])
            time.sleep(0.002)
        reply(file)
        with open(path(f"www/put/{number}"), "rb") as stored:
            assert stored.read() == large, f"put/{number} is not what was sent"
        number += 1


def halves(address):
    """In the middle of the head, or of the body, while the server is away."""
    sock, file = connect(address)
    for number in rounds:
        whole = b"GET /small/%d HTTP/1.1\r\nHost: it\r\n\r\n" % number
        if number % 2 == 0:
            whole = b"PUT /put/half HTTP/1.1\r\nHost: it\r\nContent-Length: 40\r\n\r\n" + b"0123456789" * 4
        sock.sendall(whole[:-25])
        away(number)
        sock.sendall(whole[-25:])
        said = reply(file)
        assert number % 2 == 0 or said.startswith(b"this is /small/%d\n" % number), said


together(*((work, address, *more) for address in addresses for work, *more in ((ask, 1), (ask, 1), (ask, 8), (fetch,))),
         (put, addresses[0]), (halves, addresses[0]))
say("requests", f"{len(requests)}\n")
