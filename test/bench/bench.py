#!/usr/bin/env python3
"""How fast stasis saves and restores, against a floor that is measured in the same minute.

Each figure is taken several times, the floor and the thing itself in turn, and is the median of what
the pairs say. Targets stand beside the figures; missing one is no failure, a dump or restore that goes
wrong is one. All numbers go into build/bench.json.

    test/bench/bench.py [--runs N] [--json FILE] [FIGURE...]

Figures: small threads tasks mappings descriptors memory crowd disk compress dedup cow precopy increment protect
"""
import argparse
import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", os.path.join(TOP, "build"))
STASIS = os.environ.get("STASIS", os.path.join(TOP, "stasis"))
BENCH = os.path.join(BUILD, "test", "bench")
PATIENCE = 120


class Broken(Exception):
    """Something did not work, however long it took."""


def run(*command):
    """What a command prints; in the benchmark nothing may fail."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise Broken(f"'{' '.join(command)}' ended with {done.returncode}: {done.stdout.strip()}")
    return done.stdout


def tool(name, *arguments):
    return run(os.path.join(BENCH, name), *map(str, arguments))


def microseconds(text):
    return int(re.search(r"(\d+) us\n\Z", text).group(1))


def wait_until(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise Broken(f"waited {PATIENCE} s for {what}")
        time.sleep(0.002)


def is_gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def below(pid):
    """Children of a process and theirs."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            children = [int(word) for word in file.read().split()]
    except FileNotFoundError:
        return []
    return children + [p for child in children for p in below(child)]


class Subject:
    """A process to be saved and restored once."""

    def __init__(self, folder, *having):
        self.images = os.path.join(folder, "images")
        ready = os.path.join(folder, "ready")
        shutil.rmtree(self.images, ignore_errors=True)
        os.mkdir(self.images)
        if os.path.exists(ready):
            os.unlink(ready)
        self.child = subprocess.Popen([os.path.join(BENCH, "subject"), ready, *map(str, having)],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL, start_new_session=True)
        self.pid = self.child.pid
        wait_until(lambda: os.path.exists(ready) or self.child.poll() is not None, "a program")
        if self.child.poll() is not None:
            raise Broken(f"'subject {' '.join(map(str, having))}' has ended")

    def dump(self, *options):
        """(microseconds of the whole command, microseconds frozen)"""
        pids = [self.pid] + below(self.pid)
        said = tool("clock", STASIS, "dump", "-t", self.pid, "-D", self.images, "-o", "dump.log",
                    "--freeze=stop", "--display-stats", *options)
        self.child.wait()
        wait_until(lambda: all(map(is_gone, pids)), "init to reap what was saved")
        return microseconds(said), int(re.search(r"Frozen time: (\d+)", said).group(1))

    def restore(self):
        return microseconds(tool("clock", STASIS, "restore", "-d", "-D", self.images,
                                 "-o", "restore.log"))

    def end(self):
        pids = [self.pid] + below(self.pid)
        for pid in pids:
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass
        if self.child.returncode is None:
            self.child.wait()
        wait_until(lambda: all(map(is_gone, pids)), "the end of a restored process")
        shutil.rmtree(self.images, ignore_errors=True)


def once(folder, *having, options=()):
    """{'dump': us, 'frozen': us, 'restore': us} of one subject's life."""
    subject = Subject(folder, *having)
    large = "memory", "crowd", "zeros", "text", "random", "same", "family"
    mib = having[1] * 9 // 8 if having[0] in large else 64
    try:
        tool("floor", "touch", mib)
        dump, frozen = subject.dump(*options)
        pages = [os.stat(os.path.join(subject.images, name)).st_blocks * 512
                 for name in os.listdir(subject.images) if "pages-" in name]
        tool("floor", "touch", mib)
        return {"dump": dump, "frozen": frozen, "restore": subject.restore(), "bytes": sum(pages)}
    finally:
        subject.end()


class Report:
    """Figures as they come: a line each, and all of them as JSON."""

    def __init__(self):
        self.figures = []

    def add(self, name, values, unit, target, detail):
        value = statistics.median(values)
        verdict = "ok" if value <= target else "over"
        self.figures.append({"name": name, "value": round(value, 3), "unit": unit, "target": target,
                             "verdict": verdict, "values": [round(v, 3) for v in values],
                             "detail": detail})
        print(f"  {name:<44} {value:8.2f} {unit:<12} target {target:<6} {verdict}   {words(detail)}",
              flush=True)

    def save(self, path):
        machine = {"kernel": platform.release(), "processor": processor(), "cpus": os.cpu_count(),
                   "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"machine": machine, "figures": self.figures}, file, indent=1)
            file.write("\n")


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        return next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "")


def words(detail):
    """The medians of what was measured, for a person."""
    return ", ".join(f"{name} {statistics.median(values) / 1000:.2f} ms" for name, values in detail.items())


def several(runs, measure):
    """A dictionary of lists from a function that gives a dictionary of numbers."""
    took = {}
    for _ in range(runs):
        for name, value in measure().items():
            took.setdefault(name, []).append(value)
    return took


def pick(took, *names):
    return {name: took[name] for name in names}


def ratios(took, above, under):
    return [a / b for a, b in zip(took[above], took[under])]


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
    """The folder is of no use: it has no disk."""
    def measure(mib, folder):
        subject = Subject(folder, "memory", mib)
        pages = os.path.join(subject.images, "pages-1.img")
        try:
            subject.dump()
            for name in os.listdir(subject.images):
                drop_cached(os.path.join(subject.images, name))
            reads = [microseconds(tool("floor", "disk", pages, threads, mib)) for threads in (1, 4, 8)]
            tool("floor", "touch", mib * 9 // 8)
            return {"restore": subject.restore(), "read": min(reads)}
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
        for whose, name in ("own", "library alone"), ("other", "library fed"):
            took[name] = microseconds(tool("squeeze", whose, codec, sort, file, mib))
            os.unlink(file)
        return took | once(folder, sort, mib, options=(f"--compress={codec}:1",))

    for codec in "zstd", "lz4":
        for sort in "zeros", "text", "random":
            took = several(runs, lambda: measure(codec, sort, 1024))
            # The library is given its own memory, and that of another process, which has to be read first.
            for name in "library alone", "library fed":
                report.add(f"{sort}, {codec}: frozen / {name}", ratios(took, "frozen", name), "x", 1.15,
                           pick(took, "frozen", name, "dump", "restore"))


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


class Writer:
    """A process that writes to its memory while it is saved, twice: standing still, and running on."""

    def __init__(self, folder, pace, mib):
        self.images = os.path.join(folder, "images")
        self.pace = pace
        self.ready = os.path.join(folder, "ready")
        if os.path.exists(self.ready):
            os.unlink(self.ready)
        self.child = subprocess.Popen([os.path.join(BENCH, "writer"), self.ready, pace, str(mib)], text=True,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)
        wait_until(lambda: os.path.exists(self.ready) or self.child.poll() is not None, "a program")

    def dump(self, how, *options, images=None):
        """(microseconds of the whole command, microseconds frozen)"""
        images = images or self.images
        shutil.rmtree(images, ignore_errors=True)
        os.mkdir(images)
        said = tool("clock", STASIS, "dump", "-t", self.child.pid, "-D", images, "-o", "dump.log", "-R",
                    f"--freeze={how}", "--display-stats", *options)
        return microseconds(said), int(re.search(r"Frozen time: (\d+)", said).group(1))

    def write_some(self):
        """One page in a hundred."""
        self.child.send_signal(signal.SIGUSR1)
        wait_until(lambda: not os.path.exists(self.ready), "a program that writes")

    def note(self, begin):
        if self.pace != "idle":
            self.child.send_signal(signal.SIGUSR1 if begin else signal.SIGUSR2)

    def end(self):
        """(99.9 % of first writes took less microseconds, pages written a second while notes were taken, and before)"""
        self.child.send_signal(signal.SIGTERM)
        said = self.child.communicate()[0]
        shutil.rmtree(self.images, ignore_errors=True)
        return tuple(float(re.search(word + r" ([\d.]+)", said).group(1)) for word in ("p999", "rate", "before"))


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


FIGURES = {function.__name__: function for function in (small, threads, tasks, mappings, descriptors, memory,
                                                    crowd, disk, compress, dedup, cow, precopy, increment,
                                                    protect)}


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
