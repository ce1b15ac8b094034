"""Clients of memcached at these addresses: each knows all that it has stored, and all count together."""
import random
import socket
import sys
import time

from served import away, over, rounds, together

addresses = sys.argv[1:]
counted = []


class Client:
    def __init__(self, address):
        self.sock = socket.create_connection((address, 11211), timeout=60)
        self.file = self.sock.makefile("rb")

    def send(self, data):
        self.sock.sendall(data)

    def expect(self, line):
        said = self.file.readline()
        assert said == line + b"\r\n", f"it says {said}, not {line}"

    def value(self, key):
        """None if there is none."""
        head = self.file.readline().split()
        if head == [b"END"]:
            return None
        assert head[:2] == [b"VALUE", key], head
        value = self.file.read(int(head[3]) + 2)[:-2]
        self.expect(b"END")
        return value


def remember(address, name):
    """Sets, reads, appends and deletes, eight commands at once."""
    client, known, random_ = Client(address), {}, random.Random(name)
    while not over():
        asked, commands = [], b""
        for _ in range(8):
            key = b"%s.%d" % (name.encode(), random_.randrange(100))
            kind = random_.choice(("set", "get", "get", "append", "delete"))
            data = random_.randbytes(random_.choice((10, 100, 2000, 30_000)))
            if kind == "set":
                known[key], answer = data, b"STORED"
            elif kind == "append":
                answer = b"STORED" if key in known and len(known[key]) < 200_000 else b"NOT_STORED"
                if answer == b"NOT_STORED":
                    key = b"nothing"
                else:
                    known[key] += data
            elif kind == "delete":
                answer = b"DELETED" if known.pop(key, None) is not None else b"NOT_FOUND"
            else:
                answer = known.get(key)
            asked.append((kind, key, answer))
            if kind in ("set", "append"):
                commands += b"%s %s 0 0 %d\r\n%s\r\n" % (kind.encode(), key, len(data), data)
            else:
                commands += b"%s %s\r\n" % (kind.encode(), key)
        client.send(commands)
        for kind, key, answer in asked:
            if kind == "get":
                assert client.value(key) == answer, f"{key} is not what it was"
            else:
                client.expect(answer)
        time.sleep(0.002)
    for key, value in known.items():
        client.send(b"get %s\r\n" % key)
        assert client.value(key) == value, f"{key} is not what it was"


def count(address):
    client = Client(address)
    while not over():
        client.send(b"incr counter 1\r\n")
        assert int(client.file.readline()) > 0
        counted.append(1)
        time.sleep(0.001)


def halves(address):
    """In the middle of a value, or of a command."""
    client = Client(address)
    for n in rounds:
        whole = b"set half 7 0 1000\r\n" + b"%d" % n * 1000
        whole = whole[:19 + 1000] + b"\r\n"
        cut = 10 if n % 2 else 500
        client.send(whole[:cut])
        away(n)
        client.send(whole[cut:])
        client.expect(b"STORED")
        client.send(b"gets half\r\n")
        *_, cas = client.file.readline().split()
        assert client.file.read(1002) == whole[19:]
        client.expect(b"END")
        client.send(b"cas half 0 0 1 %s\r\nx\r\n" % cas)
        client.expect(b"STORED")


starter = Client(addresses[0])
starter.send(b"set counter 0 0 1\r\n0\r\n")
starter.expect(b"STORED")
together(*((remember, address, f"{address}-{n}") for address in addresses for n in range(2)),
         *((count, address) for address in addresses), (halves, addresses[0]))
starter.send(b"get counter\r\n")
assert int(starter.value(b"counter")) == len(counted), f"{len(counted)} were counted"
