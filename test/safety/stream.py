#!/usr/bin/env python3
"""Takes a stream apart (docs/stream.md), and puts it together in another way.

stream.py FILE count                     how many frames
stream.py FILE cut N                     the first N bytes
stream.py FILE borders                   offsets of the frames, one a line
stream.py FILE flip OFFSET               one byte is another one
stream.py FILE swap N M | drop N | twice N
stream.py FILE graft OTHER N             from frame N on that of another stream
"""
import struct
import sys

HEAD = 16
FRAME = struct.Struct("<IIQQII8sQQ")


def frames(data):
    at, found = HEAD, []
    while at < len(data):
        size = FRAME.size + FRAME.unpack_from(data, at)[1]
        found.append(data[at : at + size])
        at += size
    return found


def main():
    path, what, *rest = sys.argv[1:]
    data = open(path, "rb").read()
    every = frames(data)
    if what == "count":
        print(len(every))
        return
    if what == "borders":
        at = HEAD
        for frame in every:
            print(at)
            at += len(frame)
        return
    if what == "cut":
        sys.stdout.buffer.write(data[: int(rest[0])])
        return
    if what == "flip":
        at = int(rest[0])
        sys.stdout.buffer.write(data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1 :])
        return
    if what == "swap":
        one, other = map(int, rest)
        every[one], every[other] = every[other], every[one]
    elif what == "drop":
        del every[int(rest[0])]
    elif what == "twice":
        every.insert(int(rest[0]), every[int(rest[0])])
    elif what == "graft":
        every[int(rest[1]) :] = frames(open(rest[0], "rb").read())[int(rest[1]) :]
    sys.stdout.buffer.write(data[:HEAD] + b"".join(every))


main()
