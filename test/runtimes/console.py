#!/usr/bin/env python3
"""Whoever has a container's terminal: console.py SOCKET FILE. Takes masters that come to the socket, and talks with each: what it has said
is FILE.1, FILE.2 and so on."""
import array
import os
import socket
import sys

where = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
where.bind(sys.argv[1])
where.listen()
number = 0
while True:
    line, _ = where.accept()
    _, ancillary, _, _ = line.recvmsg(4096, socket.CMSG_SPACE(4))
    line.close()
    number += 1
    master = array.array("i", ancillary[0][2])[0]
    os.write(master, b"hello %d\n" % number)
    said = b""
    while b"got hello %d" % number not in said:
        said += os.read(master, 4096)
    with open(f"{sys.argv[2]}.new", "wb") as out:
        out.write(said)
    os.rename(f"{sys.argv[2]}.new", f"{sys.argv[2]}.{number}")
    # It stays open for as long as the container has it.
