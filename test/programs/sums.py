"""Three threads and a child work on one checksum in steps.

With a number it may be saved that many times, each time while the steps of a round go on.
"""
import hashlib
import subprocess
import sys
import threading
import zlib

import victim

STEPS = 60
rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 0
CHILD = """
import sys, zlib
data = sys.stdin.buffer
while size := data.read(8):
    packed = zlib.compress(data.read(int(size)))
    sys.stdout.buffer.write(b"%8d" % len(packed) + packed)
    sys.stdout.buffer.flush()
"""


def work():
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
    together = threading.Barrier(4)
    block = bytearray(1 << 18)
    sums = [b""] * 3

    def thread(number):
        """Each its third of the block, once for every step."""
        third = memoryview(block)[number * len(block) // 3:(number + 1) * len(block) // 3]
        for _ in range(STEPS):
            together.wait()
            sums[number] = hashlib.sha512(bytes(third) + sums[number]).digest()
            third[:64] = sums[number]
            together.wait()

    threads = [threading.Thread(target=thread, args=(i,)) for i in range(3)]
    for each in threads:
        each.start()
    total = zlib.crc32(b"")
    for step in range(STEPS):
        together.wait()
        together.wait()
        child.stdin.write(b"%8d" % len(block) + block)
        child.stdin.flush()
        packed = child.stdout.read(int(child.stdout.read(8)))
        total = zlib.crc32(packed, total)
        block[step * 1000:step * 1000 + 500] = packed[-500:].ljust(500)
        if rounds and step % (STEPS // rounds) == 0:
            if victim.number:
                victim.wait()
            victim.ready()
    if rounds:
        victim.wait()
    for each in threads:
        each.join()
    child.stdin.close()
    assert child.wait() == 0
    print(total, hashlib.sha256(b"".join(sums) + block).hexdigest(), flush=True)


if rounds:
    victim.main(work)
else:
    work()
