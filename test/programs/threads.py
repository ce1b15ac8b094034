"""Threads that hand work to each other, and children that answer over pipes, until told to stop.

A single item lost or doubled, or a thread or child that does not come back, shows at the end.
"""
import hashlib
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
import zlib

import victim

SQUARES = "import sys\nfor line in sys.stdin: print(int(line) ** 2, flush=True)"


class Stage(threading.Thread):
    """Takes from one queue, works, gives to the next; None ends it."""

    def __init__(self, name, take, give, work):
        super().__init__(name=name)
        self.take, self.give, self.work = take, give, work

    def run(self):
        while (item := self.take.get()) is not None:
            self.give.put(self.work(item))
        self.give.put(None)


class Ticker(threading.Thread):
    """Counts seconds' hundredths by waiting for an event that comes at the end only."""

    def __init__(self):
        super().__init__()
        self.over, self.ticks = threading.Event(), 0

    def run(self):
        while not self.over.wait(0.01):
            self.ticks += 1


def text(number):
    return (f"item {number} " * 50).encode()


def work():
    pipes = [queue.Queue(20) for _ in range(4)]
    stages = [Stage("packer", pipes[0], pipes[1], lambda n: (n, zlib.compress(text(n)))),
              Stage("hasher", pipes[1], pipes[2], lambda i: (*i, hashlib.sha256(i[1]).digest())),
              Stage("checker", pipes[2], pipes[3],
                    lambda i: i[0] if hashlib.sha256(zlib.compress(text(i[0]))).digest() == i[2] else -1)]
    child = subprocess.Popen([sys.executable, "-c", SQUARES], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True, bufsize=1)
    upper = subprocess.Popen("while read -r line; do echo \"$line\" | tr a-z A-Z; done", shell=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    ticker, seen, pid, scratch = Ticker(), [], os.getpid(), tempfile.TemporaryFile()
    tids = {}
    for thread in stages + [ticker]:
        thread.start()
        tids[thread] = thread.native_id
    number, said_ready = 0, False
    while not (said_ready and victim.may_go()):
        number += 1
        pipes[0].put(number)
        if number > 10:
            seen.append(pipes[3].get())
        child.stdin.write(f"{number}\n")
        assert int(child.stdout.readline()) == number ** 2
        if number % 20 == 0:
            upper.stdin.write(f"line {number}\n")
            assert upper.stdout.readline() == f"LINE {number}\n"
            assert subprocess.run(["cat"], input=b"x" * 70000, stdout=subprocess.PIPE,
                                  check=True).stdout == b"x" * 70000
        scratch.write(f"{number:9}\n".encode())
        if number == 100:
            victim.ready()
            said_ready = True
    pipes[0].put(None)
    while (item := pipes[3].get()) is not None:
        seen.append(item)
    ticks = ticker.ticks
    time.sleep(0.1)
    assert ticker.ticks > ticks, "the ticker stands still"
    ticker.over.set()
    for thread in stages + [ticker]:
        assert thread.native_id == tids[thread]
        thread.join(10)
        assert not thread.is_alive(), f"{thread.name} does not end"
    assert seen == list(range(1, number + 1)), f"{len(seen)} of {number} items came through"
    scratch.seek(0)
    assert scratch.read() == b"".join(b"%9d\n" % n for n in range(1, number + 1)), "the file is wrong"
    for process in child, upper:
        process.stdin.close()
        assert process.wait(10) == 0
    assert os.getpid() == pid


victim.main(work)
