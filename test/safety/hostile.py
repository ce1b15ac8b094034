#!/usr/bin/env python3
"""Images that somebody has made up: descriptors that lead to themselves and to each other, paths that leave the root, ids and numbers that
are there twice, absurd lengths. As damage.py, with whose words it is called; what has to be refused says so.

    hostile.py STASIS IMAGES SCRATCH -- [OPTIONS OF RESTORE]
"""
import os
import struct
import sys

import damage
import images

REG, UNIXSK, EVENTPOLL = 1, 5, 7
# Where file_entry has the message of a kind.
ENTRY = {REG: 3, UNIXSK: 16, EVENTPOLL: 9}


def field(message, number):
    return next((f for f in message if f[0] == number), None)


def get(message, number):
    found = field(message, number)
    return found[2] if found else None


def put(message, number, value, kind=images.VARINT):
    found = field(message, number)
    if found:
        found[2] = value
    else:
        message.append([number, kind, value])


class Images:
    """Those files of a dump that are about descriptors."""

    def __init__(self, place):
        self.place = place
        self.fdinfo = next(n for n in sorted(os.listdir(place.args.images)) if n.startswith("fdinfo-"))

    def messages(self, name):
        """[message, bytes behind it]: of a queue as many as it says."""
        data, at, found = damage.read(self.place, name), images.header(name), []
        while at + 4 <= len(data):
            size = struct.unpack_from("<I", data, at)[0]
            message = images.parse(data[at + 4:at + 4 + size])
            at += 4 + size
            more = get(message, 2) if name == "sk-queues.img" else 0
            found.append([message, data[at:at + more]])
            at += more
        return found

    def build(self, name, messages):
        out = damage.read(self.place, name)[:images.header(name)]
        for message, more in messages:
            data = images.build(message)
            out += struct.pack("<I", len(data)) + data + more
        return out

    def has(self, name):
        return os.path.exists(os.path.join(self.place.args.images, name))

    def of_kind(self, kind, files):
        return [get(m, ENTRY[kind]) for m, _ in files if get(m, 1) == kind]

    def changed(self, name, change):
        messages = self.messages(name)
        change(messages)
        return {name: self.build(name, messages)}


def numbers(them):
    """fdinfo: id 1, flags 2, type 3, number 4"""
    for words, number in ("twice", None), ("of 2^31 - 1", (1 << 31) - 1), ("of 2^31", 1 << 31), ("beyond the limit", 1 << 24):
        def change(all_, number=number):
            put(all_[-1][0], 4, get(all_[-2][0], 4) if number is None else number)
        yield f"a number {words}", them.changed(them.fdinfo, change), True
    yield "a number of a file that is not there", them.changed(them.fdinfo, lambda a: put(a[-1][0], 1, 77777)), True
    yield "a number of another kind", them.changed(them.fdinfo, lambda a: put(a[-1][0], 3, 12)), True
    yield "a number ten thousand times", them.changed(them.fdinfo, lambda a: a.extend([a[-1]] * 10000)), True


def ids(them):
    yield "a file twice", them.changed("files.img", lambda a: a.append(a[-1])), True
    yield "a file ten thousand times", them.changed("files.img", lambda a: a.extend([a[-1]] * 10000)), True


def paths(them):
    """reg_file_entry: name 6"""
    index = next(i for i, (m, _) in enumerate(them.messages("files.img")) if get(m, 1) == REG)
    for words, name in (("up", b"../../../../../../etc/passwd"), ("up behind the root", b"/../../etc/passwd"), ("empty", b""),
                        ("with a NUL", b"/dev/null\0/x"), ("of 100,000 letters", b"/" + b"x" * 100000),
                        ("of itself", b"/proc/self/fd/3"), ("of lines", b"/dev/null\n\x1b[31mred")):
        def change(all_, name=name):
            put(get(all_[index][0], ENTRY[REG]), 6, name, images.BYTES)
        yield f"a path {words}", them.changed("files.img", change), words != "of itself"


def peers(them):
    """unix_sk_entry: ino 2, peer 8, name 11"""
    files = them.messages("files.img")
    if len(them.of_kind(UNIXSK, files)) < 3:
        return
    def all_to_first(all_):
        for s in them.of_kind(UNIXSK, all_):
            put(s, 8, get(them.of_kind(UNIXSK, all_)[0], 2))
    def ring(all_):
        socks = them.of_kind(UNIXSK, all_)
        for s, peer in zip(socks, socks[1:] + socks[:1]):
            put(s, 8, get(peer, 2))
    def same_inode(all_):
        for s in them.of_kind(UNIXSK, all_):
            put(s, 2, 12345)
    yield "sockets that all have one peer", them.changed("files.img", all_to_first), False
    yield "sockets whose peers are a ring", them.changed("files.img", ring), False
    yield "sockets of one inode", them.changed("files.img", same_inode), True
    for words, name in ("up", b"../../../../tmp/hostile"), ("of 200 letters", b"/tmp/" + b"x" * 200), ("of 70,000", b"\0" * 70000):
        def change(all_, name=name):
            put(them.of_kind(UNIXSK, all_)[0], 11, name, images.BYTES)
        yield f"a socket with a name {words}", them.changed("files.img", change), words != "up"


def queues(them):
    """sk_packet_entry: id_for 1, length 2, scm 4 (type 1, rights 2)"""
    if not them.has("sk-queues.img"):
        return
    files = them.messages("files.img")
    socks = [get(s, 1) for s in them.of_kind(UNIXSK, files)]
    def rights(all_, which):
        for message, _ in all_:
            message[:] = [f for f in message if f[0] != 4]
            message.append([4, images.BYTES, [[1, images.VARINT, 1]] + [[2, images.VARINT, i] for i in which(get(message, 1))]])
    def only(all_, name=None):
        all_[:] = all_[:3]
    hidden = them.changed(them.fdinfo, only)
    def following(who):
        return [socks[(socks.index(who) + 1) % len(socks)]] if who in socks else [socks[0]]
    yield "messages with their own sockets", them.changed("sk-queues.img", lambda a: rights(a, lambda who: [who])), False
    yield "messages with each other's sockets", them.changed("sk-queues.img", lambda a: rights(a, following)), False
    yield "a circle of sockets that nobody has", them.changed("sk-queues.img", lambda a: rights(a, following)) | hidden, False
    yield "a message with 254 descriptors", them.changed("sk-queues.img", lambda a: rights(a, lambda who: [who] * 254)), True
    yield "a message with what is not there", them.changed("sk-queues.img", lambda a: rights(a, lambda who: [77777])), True
    yield "a message for nobody", them.changed("sk-queues.img", lambda a: put(a[0][0], 1, 77777)), False
    for length in (1 << 32) - 1, 1 << 30, 1 << 20:
        yield f"a message of {length} bytes", them.changed("sk-queues.img", lambda a, n=length: put(a[-1][0], 2, n)), True


def circles(them):
    """eventpoll_file_entry: id 1, tfd 4 (id 1, tfd 2)"""
    files = them.messages("files.img")
    polls = them.of_kind(EVENTPOLL, files)
    of = {get(m, 1): get(m, 4) for m, _ in reversed(them.messages(them.fdinfo))}
    nums = [of[get(p, 1)] for p in polls if get(p, 1) in of]
    if len(nums) < 2:
        return
    def change(all_):
        for p, target in zip(them.of_kind(EVENTPOLL, all_), nums[1:] + nums[:1]):
            for f in p:
                if f[0] == 4 and isinstance(f[2], list):
                    put(f[2], 2, target)
                    f[2][:] = [g for g in f[2] if g[0] < 5]
    yield "epolls that watch each other", them.changed("files.img", change), True


def main():
    args = damage.parse()
    place = damage.Place(args)
    them = Images(place)
    place.trial("nothing is changed", {}, False)
    if "worked" not in place.said:
        sys.exit(f"the images cannot be restored: {place.said}")
    for part in numbers, ids, paths, peers, queues, circles:
        for words, changes, must_fail in part(them):
            place.trial(words, changes, must_fail)
    if args.list:
        for said, whats in sorted(place.said.items()):
            print(f"{len(whats):5} {said[:300]}\n        {'; '.join(whats)}")
    print(f"{sum(map(len, place.said.values()))} restores, {place.failures} failures")
    sys.exit(place.failures > 0)


main()
