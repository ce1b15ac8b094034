"""What the demo saves: threads that compute, a child that answers over pipes, a file that grows.

Every line of the file carries a number one higher than the last, what the threads have reached, and
what the child made of the number. On SIGTERM it checks all of it, says so and ends.
"""
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time

CHILD = """
import sys
for line in sys.stdin:
    print(int(line) ** 2, flush=True)
"""


class Worker(threading.Thread):
    """A chain of hashes: a single lost or doubled link would show at the end."""

    def __init__(self, name):
        super().__init__(name=name, daemon=True)
        self.links, self.value, self.over = 0, name.encode(), False

    def run(self):
        while not self.over:
            self.value = hashlib.sha256(self.value).digest()
            self.links += 1
            time.sleep(0.0005)

    def is_right(self):
        value = self.name.encode()
        for _ in range(self.links):
            value = hashlib.sha256(value).digest()
        return value == self.value


def main(path):
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    workers = [Worker(f"worker-{i}") for i in range(3)]
    for worker in workers:
        worker.start()
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True, bufsize=1)
    pid, number = os.getpid(), 0
    with open(path, "w", buffering=1) as log:
        while not over.is_set():
            number += 1
            child.stdin.write(f"{number}\n")
            answer = int(child.stdout.readline())
            reached = " ".join(str(worker.links) for worker in workers)
            log.write(f"line {number}: pid {pid}, child says {answer}, threads at {reached}\n")
            time.sleep(0.02)
    for worker in workers:
        worker.over = True
        worker.join()
    child.stdin.close()
    lines = open(path).read().splitlines()
    right = (all(worker.is_right() for worker in workers) and child.wait() == 0 and os.getpid() == pid
             and [int(line.split()[1][:-1]) for line in lines] == list(range(1, number + 1))
             and all(int(line.split(" says ")[1].split(",")[0]) == (i + 1) ** 2
                     for i, line in enumerate(lines)))
    print("right" if right else "wrong", flush=True)


main(sys.argv[1])
