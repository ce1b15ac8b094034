"""A pool of processes: tasks and results go over pipes, under semaphores in deleted files of /dev/shm."""
import hashlib
import multiprocessing
import os

import victim

fork = multiprocessing.get_context("fork")
slots = fork.Semaphore(32)
count = fork.Value("i", 0)
handed = []


def chain(number):
    value = b"%d" % number
    for _ in range(300):
        value = hashlib.sha256(value).digest()
    return value


def task(number):
    with count.get_lock():
        count.value += 1
    return number, os.getpid(), chain(number)


def until_told():
    """Numbers, no more than 32 of them on their way."""
    while not (victim.number and victim.may_go()):
        slots.acquire()
        handed.append(len(handed))
        yield handed[-1]


def work():
    workers, done = set(), []
    with fork.Pool(3) as pool:
        for number, pid, value in pool.imap_unordered(task, until_told(), chunksize=2):
            workers.add(pid)
            assert value == chain(number), f"task {number} gave something else"
            done.append(number)
            slots.release()
            if len(done) == 100:
                victim.ready()
        pool.close()
        pool.join()
    assert sorted(done) == handed, f"{len(done)} results of {len(handed)} tasks"
    assert count.value == len(handed), f"{len(handed)} tasks were done {count.value} times"
    assert len(workers) == 3, f"workers were replaced, there were {workers}"


victim.main(work)
