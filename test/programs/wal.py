"""Processes at one SQLite database with a write-ahead log: two that write, two that read.

Each transaction adds rows and says in another table how many there are, so that whoever reads sees whether it sees a whole one. One of
each is in the middle of a transaction at every round; the others go on as far as they can.

    wal.py ROUNDS
"""
import multiprocessing
import os
import sqlite3
import sys

import victim

path = os.environ["VICTIM_RESULT"] + ".db"
fork = multiprocessing.get_context("fork")
over = fork.Event()


def connect():
    base = sqlite3.connect(path, timeout=60, isolation_level=None)
    base.execute("PRAGMA synchronous = OFF")
    base.execute("PRAGMA wal_autocheckpoint = 20")
    return base


def add(base, who, count):
    base.executemany("INSERT INTO rows(who, word) VALUES (?, ?)", ((who, f"{who} {n} " * 10) for n in range(count)))
    base.execute("UPDATE counts SET count = count + ? WHERE who = ?", (count, who))


def is_whole(base):
    """In one transaction."""
    told = dict(base.execute("SELECT who, count FROM counts WHERE count > 0"))
    there = dict(base.execute("SELECT who, count(*) FROM rows GROUP BY who"))
    assert told == there, f"{told} are told, {there} are there"
    return told


def write_on(answer):
    base, done = connect(), 0
    while not (done and over.wait(0.002)):
        base.execute("BEGIN IMMEDIATE")
        add(base, "on", 7)
        base.execute("COMMIT")
        done += 7
    answer.send(done)


def read_on(answer):
    base, seen = connect(), 0
    while not over.wait(0.001):
        base.execute("BEGIN")
        now = is_whole(base)
        base.execute("COMMIT")
        assert now.get("on", 0) >= seen, f"{now}, and {seen} were there"
        seen = now.get("on", 0)
    answer.send(seen)


def write_by_halves(turns):
    base = connect()
    while turns.recv():
        base.execute("BEGIN IMMEDIATE")
        add(base, "halves", 10)
        turns.send("in the middle")
        assert turns.recv() == "go on"
        add(base, "halves", 5)
        is_whole(base)
        base.execute("COMMIT")
        turns.send("done")


def read_by_halves(turns):
    base = connect()
    while turns.recv():
        base.execute("BEGIN")
        before = is_whole(base)
        cursor = base.execute("SELECT who FROM rows ORDER BY id")
        some = [row for _ in range(3) if (row := cursor.fetchone())]
        turns.send("in the middle")
        assert turns.recv() == "go on"
        assert len(some + cursor.fetchall()) == sum(before.values()), "rows have come or gone"
        assert is_whole(base) == before
        base.execute("COMMIT")
        turns.send("done")


def work():
    base = connect()
    assert base.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
    base.executescript("CREATE TABLE rows(id INTEGER PRIMARY KEY, who TEXT, word TEXT); CREATE INDEX words ON rows(word);"
                       "CREATE TABLE counts(who TEXT, count INTEGER); INSERT INTO counts VALUES ('on', 0), ('halves', 0)")
    base.close()
    with_turns, processes = [], []
    for target in write_by_halves, read_by_halves, write_on, read_on:
        ours, theirs = fork.Pipe()
        processes.append(fork.Process(target=target, args=(theirs,)))
        processes[-1].start()
        with_turns.append(ours)
    *halves, writer, _ = with_turns
    for _ in range(int(sys.argv[1])):
        for turns in halves:
            turns.send("begin")
            assert turns.recv() == "in the middle"
        victim.ready()
        victim.wait()
        for turns in halves:
            turns.send("go on")
            assert turns.recv() == "done"
    for turns in halves:
        turns.send(None)
    over.set()
    done = writer.recv()
    for process in processes:
        process.join()
        assert process.exitcode == 0, f"{process} has failed"
    base = connect()
    assert is_whole(base) == {"on": done, "halves": 15 * int(sys.argv[1])}
    assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)


victim.main(work)
