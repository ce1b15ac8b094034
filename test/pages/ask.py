#!/usr/bin/env python3
"""Asks a page server for every page of a process, and holds what comes against its pages file: ask.py PORT PID FOLDER MAP.json"""
import json
import socket
import struct
import sys

PAGE, GET, ADD_F, CLOSE, PRESENT = 4096, 7, 6, 0x1023, 4

port, pid, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
entries = json.load(open(sys.argv[4]))["entries"]
pages = open(f"{folder}/pages-{entries[0]['pages_id']}.img", "rb")
sock = socket.create_connection(("127.0.0.1", port))
stream = sock.makefile("rwb")


def number(value):
    return value if isinstance(value, int) else int(value, 0)


for entry in entries[1:]:
    at, left = number(entry["vaddr"]), number(entry["nr_pages"])
    assert "PE_PRESENT" in str(entry["flags"]), entry
    while left:
        stream.write(struct.pack("<IIQQQ", GET, 0, left, at, pid))
        stream.flush()
        command, _, got, vaddr, _ = struct.unpack("<IIQQQ", stream.read(32))
        assert command == ADD_F | PRESENT << 16 and 0 < got <= left and vaddr == at, (hex(command), got, hex(vaddr))
        assert stream.read(got * PAGE) == pages.read(got * PAGE), hex(at)
        at, left = at + got * PAGE, left - got
stream.write(struct.pack("<IIQQQ", CLOSE, 0, 0, 0, 0))
stream.flush()
assert stream.read(4) == bytes(4)
