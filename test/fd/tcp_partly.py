# The other side of a connection, by packets of its own: it takes a part of the only segment, and the rest when the file is there.
import os
import socket
import struct
import sys
import time

HERE, PORT = "10.99.0.2", 7302
TAKEN, SIZE, SEQ = 200, 500, 5000

raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
raw.bind((HERE, 0))
raw.settimeout(20)


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def send(to, port, seq, ack, flags):
    head = struct.pack("!HHIIBBHHH", PORT, port, seq, ack, 5 << 4, flags, 60000, 0, 0)
    ends = socket.inet_aton(HERE) + socket.inet_aton(to)
    total = checksum(ends + struct.pack("!BBH", 0, 6, len(head)) + head)
    raw.sendto(head[:16] + struct.pack("!H", total) + head[18:], (to, 0))


def hear():
    while True:
        packet, sender = raw.recvfrom(4096)
        tcp = packet[(packet[0] & 15) * 4 :]
        port, to, seq, ack, size, flags = struct.unpack("!HHIIBB", tcp[:14])
        if to == PORT:
            return sender[0], port, seq, flags, tcp[(size >> 4) * 4 :]


print("up", flush=True)
to, port, seq, flags, data = hear()
while not flags & 2:
    to, port, seq, flags, data = hear()
first = seq + 1 & 0xFFFFFFFF
send(to, port, SEQ, first, 0x12)
while len(data) < SIZE:
    to, port, seq, flags, data = hear()
send(to, port, SEQ + 1, first + TAKEN & 0xFFFFFFFF, 0x10)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
got = {}
while len(got) < SIZE - TAKEN:
    to, port, seq, flags, data = hear()
    at = seq - first & 0xFFFFFFFF
    for i, c in enumerate(data):
        if TAKEN <= at + i < SIZE:
            got.setdefault(at + i, set()).add(c)
wrong = [i for i, c in got.items() if c != {i % 251}]
send(to, port, SEQ + 1, first + SIZE & 0xFFFFFFFF, 0x10)
print("wrong from byte %d on" % wrong[0] if wrong else "ok", flush=True)
