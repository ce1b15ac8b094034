"""Clients of stream_server.py at these addresses: all its answers and ticks come, in order."""
import hashlib
import socket
import sys
import time

from served import away, over, rounds, together


class Client:
    def __init__(self, address):
        self.sock = socket.create_connection((address, 7000), timeout=60)
        self.file = self.sock.makefile("rb")
        self.number = self.ticks = 0
        self.lines = []

    def send(self, data):
        self.sock.sendall(data)

    def line(self):
        """The next that is not a tick."""
        while (line := self.file.readline()).startswith(b"tick"):
            self.ticks += 1
            assert line == b"tick %d\n" % self.ticks, line
        return line

    def expect(self, line):
        self.number += 1
        said = self.line()
        hashed = hashlib.sha256(line).hexdigest().encode()
        assert said == b"%d %s " % (self.number, hashed) + line.replace(b"line", b"answer"), said

    def end(self):
        self.sock.shutdown(socket.SHUT_WR)
        said = self.line()
        assert said == b"end %d 0\n" % self.number and self.file.read() == b"", said
        assert self.ticks > 1


def ask(address, at_once, size):
    client = Client(address)
    while not over():
        lines = [b"line %d.%d " % (client.number, n) + b"x" * size + b"\n" for n in range(at_once)]
        client.send(b"".join(lines))
        for line in lines:
            client.expect(line)
        time.sleep(0.002)
    client.end()


def halves(address):
    client = Client(address)
    for n in rounds:
        line = b"line %d\n" % n
        client.send(line[:3])
        away(n)
        client.send(line[3:])
        client.expect(line)
    client.end()


together(*((ask, address, at_once, size) for address in sys.argv[1:] for at_once, size in ((1, 10), (10, 1000))),
         (halves, sys.argv[1]))
