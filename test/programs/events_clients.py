"""Clients of events.js at these addresses: all events come, in order, and what is sent comes back."""
import http.client
import random
import socket
import sys
import time

from served import away, over, rounds, together


def listen(address):
    connection = http.client.HTTPConnection(address, 8080, timeout=60)
    connection.request("GET", "/events")
    events = connection.getresponse()
    number = 0
    while not over():
        number += 1
        said = [events.readline() for _ in range(3)]
        assert said == [b"id: %d\n" % number, b"data: %s\n" % (b"x" * (number % 100)), b"\n"], said
    assert number > 1


def send(address):
    connection, source = http.client.HTTPConnection(address, 8080, timeout=60), random.Random(address)
    connection.connect()
    kept = connection.sock
    while not over():
        data = source.randbytes(source.choice((10, 1000, 300_000)))
        connection.request("POST", "/", data)
        assert connection.getresponse().read() == data, "something else came back"
        assert connection.sock is kept, "the connection was not kept"
        time.sleep(0.005)


def halves(address):
    sock = socket.create_connection((address, 8080), timeout=60)
    for n in rounds:
        whole = b"POST / HTTP/1.1\r\nHost: it\r\nContent-Length: 20\r\n\r\n" + b"%020d" % n
        cut = 30 if n % 2 else len(whole) - 10
        sock.sendall(whole[:cut])
        away(n)
        sock.sendall(whole[cut:])
        said = b""
        while not said.endswith(b"%020d" % n):
            said += sock.recv(1000) or sys.exit(f"the connection has ended: {said}")


together(*((work, address) for address in sys.argv[1:] for work in (listen, listen, send)), (halves, sys.argv[1]))
