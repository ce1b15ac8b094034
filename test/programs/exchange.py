"""Processes that share memory by its name, queues, a condition, a barrier and a manager's dictionary, while a pool works too.

Numbers go from the producer through a queue to workers, and from these through another one to the collector, each one as a line in
shared memory whose place alone goes through the queue. All numbers come once, and in all rounds.

    exchange.py ROUNDS
"""
import multiprocessing
import sys
import time
import zlib
from multiprocessing import shared_memory

import victim

PLACES, SIZE = 16, 4096
context = multiprocessing.get_context("fork")


def text(number):
    return (b"%08d " % number) * (SIZE // 9)


def work_on(name, places, results, meet):
    memory = shared_memory.SharedMemory(name)
    meet.wait()
    while (place := places.get()) is not None:
        line = bytes(memory.buf[place * SIZE:(place + 1) * SIZE])
        number = int(line[:8])
        assert line.startswith(text(number)), f"place {place} has {line[:20]}"
        results.put((place, number))
    meet.wait()
    memory.close()


def collect(results, free, condition, told):
    while (result := results.get()) is not None:
        place, number = result
        with condition:
            told["count"] = told.get("count", 0) + 1
            told["sum"] = told.get("sum", 0) + number
            condition.notify_all()
        free.put(place)


def squared(number):
    return number, number * number, zlib.crc32(text(number))


def work():
    memory = shared_memory.SharedMemory(create=True, size=PLACES * SIZE)
    free, places, results = context.Queue(), context.JoinableQueue(), context.Queue()
    condition, meet = context.Condition(), context.Barrier(3)
    with context.Manager() as manager, context.Pool(2) as pool:
        told = manager.dict()
        workers = [context.Process(target=work_on, args=(memory.name, places, results, meet)) for _ in range(2)]
        collector = context.Process(target=collect, args=(results, free, condition, told))
        for process in *workers, collector:
            process.start()
        for place in range(PLACES):
            free.put(place)
        meet.wait()
        number = rounds = 0
        squares = pool.imap_unordered(squared, range(2000), chunksize=1)
        seen = set()
        while rounds < int(sys.argv[1]):
            time.sleep(0.002)
            for _ in range(5):
                place = free.get()
                number += 1
                memory.buf[place * SIZE:place * SIZE + len(text(number))] = text(number)
                places.put(place)
            if len(seen) < 2000:
                of, square, crc = next(squares)
                assert square == of * of and crc == zlib.crc32(text(of)) and of not in seen
                seen.add(of)
            if number // 100 > rounds and victim.number == rounds:
                victim.ready()
            if victim.number > rounds and victim.may_go():
                rounds += 1
        with condition:
            assert condition.wait_for(lambda: told.get("count", 0) == number, 30), f"{told} of {number}"
        assert told["sum"] == number * (number + 1) // 2
        for _ in workers:
            places.put(None)
        meet.wait()
        results.put(None)
        for process in *workers, collector:
            process.join(30)
            assert process.exitcode == 0, f"{process} has ended with {process.exitcode}"
        assert {of for of, _, _ in squares} | seen == set(range(2000))
    memory.close()
    memory.unlink()


victim.main(work)
