#!/usr/bin/env python3
"""How fast stasis saves and restores, against a floor that is measured in the same minute.

Each figure is taken several times, the floor and the thing itself in turn, and is the median of what
the pairs say. Targets stand beside the figures; missing one is no failure, a dump or restore that goes
wrong is one. All numbers go into build/bench.json.

    test/bench/bench.py [--runs N] [--json FILE] [FIGURE...]

Figures: small threads tasks mappings descriptors sockets connections registrations watches memory lazy faults crowd disk compress dedup cow precopy shared increment protect container
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time

from parts import (BENCH, BUILD, STASIS, Broken, Report, Subject, Writer, microseconds, once, pick, ratios, run,
                   several, tool, wait_until)


def memory(report, folder, runs):
    def measure(mib):
        file = os.path.join(folder, "floor")
        took = {"write": microseconds(tool("floor", "write", file, mib)),
                "read": microseconds(tool("floor", "read", file, mib))}
        os.unlink(file)
        return took | once(folder, "memory", mib)

    for gib in 1, 4:
        took = several(runs if gib == 1 else (runs + 1) // 2, lambda: measure(gib << 10))
        report.add(f"{gib} GiB: frozen / write", ratios(took, "frozen", "write"), "x", 1.15,
                   pick(took, "frozen", "write", "dump"))
        report.add(f"{gib} GiB: restore / read", ratios(took, "restore", "read"), "x", 1.15,
                   pick(took, "restore", "read"))


def crowd(report, folder, runs):
    """Four processes, against one thread that writes or reads as much."""
    def measure(mib):
        file = os.path.join(folder, "floor")
        took = {"write": microseconds(tool("floor", "write", file, mib)),
                "read": microseconds(tool("floor", "read", file, mib))}
        os.unlink(file)
        return took | once(folder, "crowd", mib)

    took = several(runs, lambda: measure(1024))
    report.add("4 processes, 256 MiB each: frozen / write", ratios(took, "frozen", "write"), "x", 1.0,
               pick(took, "frozen", "write", "dump"))
    report.add("4 processes, 256 MiB each: restore / read", ratios(took, "restore", "read"), "x", 1.5,
               pick(took, "restore", "read"))


def drop_cached(path):
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def disk(report, folder, runs):
    """The folder is of no use: it has no disk. Disks of virtual machines are let run at full speed for some time only,
    so both have as many tries, in turn, of which the best counts."""
    def restore(subject, mib):
        for name in os.listdir(subject.images):
            drop_cached(os.path.join(subject.images, name))
        tool("floor", "touch", mib * 9 // 8)
        took = subject.restore()
        subject.kill()
        return took

    def measure(mib, folder):
        subject = Subject(folder, "memory", mib)
        pages = os.path.join(subject.images, "pages-1.img")
        try:
            subject.dump()
            drop_cached(pages)
            tries = [(microseconds(tool("floor", "disk", pages, threads, mib)), restore(subject, mib))
                     for threads in (1, 4, 8)]
            return {"restore": min(took for _, took in tries), "read": min(took for took, _ in tries)}
        finally:
            subject.end()

    with tempfile.TemporaryDirectory(prefix="bench.", dir=BUILD) as on_disk:
        took = several(runs, lambda: measure(1024, on_disk))
    report.add("1 GiB on a disk: restore / read", ratios(took, "restore", "read"), "x", 1.2,
               pick(took, "restore", "read"))


def compress(report, folder, runs):
    def measure(codec, sort, mib):
        file = os.path.join(folder, "floor")
        took = {}
        for name, whose, what in (("library", "other", codec), ("library alone", "own", codec),
                                  ("reading alone", "other", "nothing")):
            took[name] = microseconds(tool("squeeze", whose, what, sort, file, mib))
            os.unlink(file)
        return took | once(folder, sort, mib, options=(f"--compress={codec}:1",))

    for codec in "zstd", "lz4":
        for sort in "zeros", "text", "random":
            took = several(runs, lambda: measure(codec, sort, 1024))
            # The library reads the memory of another process first, as we have to; zeros take longer to read than to
            # compress ("reading alone", "library alone").
            report.add(f"{sort}, {codec}: frozen / library", ratios(took, "frozen", "library"), "x", 1.15,
                       pick(took, "frozen", "library", "library alone", "reading alone", "dump", "restore"))


def dedup(report, folder, runs):
    def measure(sort, mib, codec):
        took = {}
        for prefix, options in ("plain ", codec), ("", codec + ("--dedup-pages",)):
            found = once(folder, sort, mib, options=options)
            took |= {prefix + name: value for name, value in found.items()}
        return took

    for sort in "random", "same", "family":
        for codec in (), ("--compress=lz4",):
            took = several(runs, lambda: measure(sort, 1024, codec))
            name = " ".join((sort,) + codec)
            for what, target in ("frozen", 1.5), ("restore", 1.5), ("bytes", 1.05):
                report.add(f"{name}: {what} with / without", ratios(took, what, "plain " + what), "x", target,
                           {} if what == "bytes" else pick(took, what, "plain " + what))


def lazy(report, folder, runs):
    """When the program runs, and when all its pages are there."""
    def measure(mib):
        took = {}
        for name, size in ("16 MiB", 16), ("all", mib):
            subject = Subject(folder, "memory", size)
            try:
                subject.dump()
                tool("floor", "touch", size * 9 // 8)
                start = time.monotonic()
                took[name] = subject.restore("--lazy", "-v3")
                subject.await_pages()
                took["filled"] = (time.monotonic() - start) * 1e6
            finally:
                subject.end()
        return took | {"plain": once(folder, "memory", mib)["restore"]}

    took = several(runs, lambda: measure(4096))
    report.add("lazy, 4 GiB: runs / 16 MiB", ratios(took, "all", "16 MiB"), "x", 1.5, pick(took, "all", "16 MiB"))
    report.add("lazy, 4 GiB: all there / plain restore", ratios(took, "filled", "plain"), "x", 1 / 0.7,
               pick(took, "filled", "plain"))


def faults(report, folder, runs):
    """How long whoever touches a page that is missing waits for it, with all others coming behind."""
    def measure(mib):
        floor = [int(word) / 1000 for word in tool("faults", "floor", mib).split()]
        names = [os.path.join(folder, "ready" + what) for what in (".go", ".took")]
        subject = Subject(folder, mib, program="faults")
        try:
            subject.dump()
            with open(names[0], "w", encoding="ascii"):
                pass
            subject.restore("--lazy", "-v3")
            wait_until(lambda: os.path.exists(names[1]) and os.stat(names[1]).st_size, "touches")
            with open(names[1], encoding="ascii") as file:
                took = [int(word) / 1000 for word in file.read().split()]
            subject.await_pages()
        finally:
            subject.end()
            for name in filter(os.path.exists, names):
                os.unlink(name)
        return {"p50": took[0], "p99": took[1], "floor p50": floor[0], "floor p99": floor[1]}

    took = several(runs, lambda: measure(1024))
    for what in "p50", "p99":
        report.add(f"lazy, a fault: {what} / bare userfaultfd", ratios(took, what, "floor " + what), "x", 3,
                   pick(took, what, "floor " + what))


def small(report, folder, runs):
    nothing = os.path.join(BENCH, "nothing")

    def measure():
        floor = min(microseconds(tool("clock", nothing)) for _ in range(3))
        return {"fork+exec+exit": floor} | once(folder, "memory", 2)

    took = several(runs * 4, measure)
    for name in "dump", "restore":
        report.add(f"small process: {name} / fork+exec+exit", ratios(took, name, "fork+exec+exit"), "x",
                   15, pick(took, name, "fork+exec+exit"))


def each(report, folder, runs, many, limit):
    """What one more of something costs, in microseconds."""
    what, count = many

    def measure():
        few, lot = once(folder, what, 1), once(folder, what, count)
        return {f"{name} {n}": took[name] for n, took in ((1, few), (count, lot))
                for name in ("dump", "restore")}

    took = several(runs, measure)
    for name in "dump", "restore":
        pair = f"{name} {count}", f"{name} 1"
        more = [(lot - few) / (count - 1) for lot, few in zip(took[pair[0]], took[pair[1]])]
        report.add(f"{count} {what}: {name}, each more", more, "us", limit, pick(took, *pair))


def threads(report, folder, runs):
    each(report, folder, runs, ("threads", 1000), 100)


def tasks(report, folder, runs):
    each(report, folder, runs, ("tasks", 200), 1000)


def linear(report, folder, runs, what):
    """What ten times as many cost, the cost of having none taken off."""
    def measure():
        took = {n: once(folder, what, n) for n in (1, 1000, 10000)}
        return {f"{name} {n}": took[n][name] for name in ("dump", "restore") for n in took}

    took = several(runs, measure)
    for name in "dump", "restore":
        none, some, lot = (took[f"{name} {n}"] for n in (1, 1000, 10000))
        growth = [(c - a) / max(b - a, 1) for a, b, c in zip(none, some, lot)]
        report.add(f"{what}: {name}, 10,000 / 1,000", growth, "x", 12,
                   pick(took, f"{name} 10000", f"{name} 1000", f"{name} 1"))


def mappings(report, folder, runs):
    linear(report, folder, runs, "mappings")


def descriptors(report, folder, runs):
    linear(report, folder, runs, "descriptors")


def sockets(report, folder, runs):
    linear(report, folder, runs, "sockets")
    each(report, folder, runs, ("sockets", 10000), 80)


def connections(report, folder, runs):
    """TCP, both ends, over the loopback interface."""
    def measure():
        took = {n: once(folder, "connections", n, options=("--tcp-established",), restoring=("--tcp-established",))
                for n in (2, 500, 5000)}
        return {f"{name} {n}": took[n][name] for name in ("frozen", "restore") for n in took}

    took = several(runs, measure)
    for name in "frozen", "restore":
        none, some, lot = (took[f"{name} {n}"] for n in (2, 500, 5000))
        report.add(f"connections: {name}, 5,000 / 500", [(c - a) / max(b - a, 1) for a, b, c in zip(none, some, lot)],
                   "x", 12, pick(took, f"{name} 5000", f"{name} 500", f"{name} 2"))
        report.add(f"5000 connections: {name}, each more", [(c - a) / 4998 for a, c in zip(none, lot)], "us",
                   40 if name == "frozen" else 80, pick(took, f"{name} 5000"))


def registrations(report, folder, runs):
    linear(report, folder, runs, "registrations")


def watches(report, folder, runs):
    linear(report, folder, runs, "watches")


def cow(report, folder, runs):
    def measure(pace, mib):
        writer = Writer(folder, pace, mib)
        try:
            tool("floor", "touch", mib * 9 // 8)
            plain, plain_frozen = writer.dump("stop")
            writer.note(True)
            total, frozen = writer.dump("cow")
            writer.note(False)
        finally:
            waited = writer.end()[0]
        return {"plain": plain, "plain frozen": plain_frozen, "cow": total, "frozen": frozen, "waited": waited}

    for pace in "idle", "32000", "full":
        took = several(runs, lambda: measure(pace, 2048))
        report.add(f"cow, {pace} writer: frozen / plain", ratios(took, "frozen", "plain frozen"), "x", 0.025,
                   pick(took, "frozen", "plain frozen"))
        report.add(f"cow, {pace} writer: total / plain", ratios(took, "cow", "plain"), "x", 1.5,
                   pick(took, "cow", "plain"))
        if pace != "idle":
            report.add(f"cow, {pace} writer: 99.9 % of first writes", took["waited"], "us", 500,
                       pick(took, "waited"))


def precopy(report, folder, runs):
    def measure(pace, mib):
        writer = Writer(folder, pace, mib)
        try:
            tool("floor", "touch", mib * 9 // 8)
            plain_frozen = writer.dump("stop")[1]
            shutil.rmtree(writer.images)
            # All rounds together have more pages than there are.
            tool("floor", "touch", mib * 9 // 4)
            writer.note(True)
            frozen = writer.dump("precopy")[1]
            writer.note(False)
            time.sleep(0.05)
        finally:
            rate, before = writer.end()[1:]
        return {"plain frozen": plain_frozen, "frozen": frozen, "rate": rate, "before": before}

    for pace, limit, loss in ("idle", 1 / 50, None), ("10000", 1 / 20, 0.1), ("100000", 1 / 5, 0.3):
        took = several(runs, lambda: measure(pace, 4096))
        name = f"precopy, {pace} {'writer' if loss is None else 'pages/s'}"
        report.add(f"{name}: frozen / plain", ratios(took, "frozen", "plain frozen"), "x", limit,
                   pick(took, "frozen", "plain frozen"))
        if loss is not None:
            report.add(f"{name}: rate lost", [1 - r for r in ratios(took, "rate", "before")], "x", loss, {})
    more = [(a - b) / 1000 for a, b in zip(several(runs, lambda: measure("idle", 4096))["frozen"],
                                           several(runs, lambda: measure("idle", 1))["frozen"])]
    report.add("precopy, idle: frozen, 4 GiB more than 1 MiB", more, "ms", 7, {})


def shared(report, folder, runs):
    """Memory that may be written by anybody, so that all of it is compared in the last stop."""
    def measure(pace, mib):
        writer = Writer(folder, pace, mib, "shared")
        try:
            tool("floor", "touch", mib * 9 // 8)
            plain_frozen = writer.dump("stop")[1]
            shutil.rmtree(writer.images)
            tool("floor", "touch", mib * 9 // 4)
            frozen = writer.dump("precopy")[1]
        finally:
            writer.end()
        return {"plain frozen": plain_frozen, "frozen": frozen}

    took = several(runs, lambda: measure("1000", 1024))
    report.add("1 GiB shared, 1,000 pages/s: frozen / plain", ratios(took, "frozen", "plain frozen"), "x", 1 / 6,
               pick(took, "frozen", "plain frozen"))


def stored(images):
    """Bytes of pages in a folder and in those of its rounds."""
    return sum(os.path.getsize(os.path.join(where, name)) for where, _, names in os.walk(images) for name in names
               if name.startswith("pages-"))


def increment(report, folder, runs):
    def measure(mib):
        writer = Writer(folder, "idle", mib)
        second = os.path.join(folder, "second")
        try:
            tool("floor", "touch", mib * 9 // 8)
            full, full_frozen = writer.dump("stop", "--track-mem")
            writer.write_some()
            took, frozen = writer.dump("auto", "--track-mem", "--prev-images-dir=../images", images=second)
            size = stored(second)
        finally:
            writer.end()
            shutil.rmtree(second, ignore_errors=True)
        return {"full": full, "full frozen": full_frozen, "increment": took, "frozen": frozen,
                "bytes": size, "written": (mib << 20) / 100}

    took = several(runs, lambda: measure(4096))
    report.add("increment, 1 % written: bytes / written", ratios(took, "bytes", "written"), "x", 1.02, {})
    report.add("increment, 1 % written: time / full dump", ratios(took, "increment", "full"), "x", 0.05,
               pick(took, "increment", "full"))
    report.add("increment, 1 % written: frozen / full dump", ratios(took, "frozen", "full frozen"), "x", 0.02,
               pick(took, "frozen", "full frozen"))


def protect(report, folder, runs):
    def measure(mib, seconds):
        writer = Writer(folder, "busy", mib)
        images = os.path.join(folder, "protected")
        try:
            os.mkdir(images)
            tool("floor", "touch", mib * 3)
            time.sleep(seconds)
            writer.note(True)
            keeper = subprocess.Popen([STASIS, "protect", str(writer.child.pid), "-D", images, "--every", "1s"],
                                      stdout=subprocess.PIPE, text=True)
            time.sleep(seconds)
            writer.note(False)
            keeper.terminate()
            increments = keeper.communicate()[0].count("\n")
        finally:
            rate, before = writer.end()[1:]
            shutil.rmtree(images, ignore_errors=True)
        if increments < seconds / 2:
            raise Broken(f"{increments} increments in {seconds} seconds")
        return {"rate": rate, "before": before}

    took = several(runs, lambda: measure(1024, 10))
    report.add("protect, 1 GiB, 1,000 pages/s: rate lost", [1 - r for r in ratios(took, "rate", "before")], "x", 0.03,
               {})


def container(report, folder, runs):
    """An idle one of runc, against running and ending an empty one. The folder is of no use: it has folders of its own."""
    said = run(os.path.join(os.path.dirname(os.path.abspath(__file__)), "container.bash"), str(runs))
    if said.startswith("skip"):
        print(said)
        return
    took = [dict(zip(("floor", "checkpoint", "restore"), map(int, line.split()))) for line in said.splitlines()]
    took = {name: [one[name] for one in took] for name in took[0]}
    for name in "checkpoint", "restore":
        report.add(f"container: {name} / runc run, kill, delete", ratios(took, name, "floor"), "x", 2.0, pick(took, name, "floor"))


FIGURES = {function.__name__: function for function in (small, threads, tasks, mappings, descriptors, sockets,
                                                    connections, registrations,
                                                    watches, memory, lazy, faults, crowd, disk, compress, dedup, cow, precopy,
                                                    shared, increment, protect, container)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=" ".join(FIGURES))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", default=os.path.join(BUILD, "bench.json"))
    options = parser.parse_args()
    report = Report()
    for name in options.figures or FIGURES:
        if name not in FIGURES:
            parser.error(f"no figure is called '{name}'")
    with tempfile.TemporaryDirectory(prefix="stasis-bench.", dir="/dev/shm") as folder:
        for name in options.figures or FIGURES:
            FIGURES[name](report, folder, options.runs)
    report.save(options.json)
    over = sum(figure["verdict"] == "over" for figure in report.figures)
    print(f"{len(report.figures) - over} figures ok, {over} over their target; numbers in {options.json}")


try:
    main()
except Broken as broken:
    sys.exit(f"the benchmark broke: {broken}")
