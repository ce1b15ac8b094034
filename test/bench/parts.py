"""What the figures of bench.py are made of: programs that are saved, floors, and the report."""
import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
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

    def __init__(self, folder, *having, program="subject"):
        self.images = os.path.join(folder, "images")
        ready = os.path.join(folder, "ready")
        shutil.rmtree(self.images, ignore_errors=True)
        os.mkdir(self.images)
        if os.path.exists(ready):
            os.unlink(ready)
        self.child = subprocess.Popen([os.path.join(BENCH, program), ready, *map(str, having)],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL, start_new_session=True)
        self.pid = self.child.pid
        wait_until(lambda: os.path.exists(ready) or self.child.poll() is not None, "a program")
        if self.child.poll() is not None:
            raise Broken(f"'{program} {' '.join(map(str, having))}' has ended")

    def dump(self, *options):
        """(microseconds of the whole command, microseconds frozen)"""
        pids = [self.pid] + below(self.pid)
        said = tool("clock", STASIS, "dump", "-t", self.pid, "-D", self.images, "-o", "dump.log",
                    "--freeze=stop", "--display-stats", *options)
        self.child.wait()
        wait_until(lambda: all(map(is_gone, pids)), "init to reap what was saved")
        return microseconds(said), int(re.search(r"Frozen time: (\d+)", said).group(1))

    def restore(self, *options):
        return microseconds(tool("clock", STASIS, "restore", "-d", "-D", self.images,
                                 "-o", "restore.log", *options))

    def await_pages(self):
        """Until whoever brings the pages of a lazy restore has written that all are there."""
        log = os.path.join(self.images, "restore.log")
        wait_until(lambda: "lazy: all pages are there" in open(log).read(), "all pages")

    def kill(self):
        pids = [self.pid] + below(self.pid)
        for pid in pids:
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass
        if self.child.returncode is None:
            self.child.wait()
        wait_until(lambda: all(map(is_gone, pids)), "the end of a restored process")

    def end(self):
        self.kill()
        shutil.rmtree(self.images, ignore_errors=True)


def once(folder, *having, options=(), restoring=()):
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
        return {"dump": dump, "frozen": frozen, "restore": subject.restore(*restoring), "bytes": sum(pages)}
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


class Writer:
    """A process that writes to its memory while it is saved, twice: standing still, and running on."""

    def __init__(self, folder, pace, mib, *sort):
        self.images = os.path.join(folder, "images")
        self.pace = pace
        self.ready = os.path.join(folder, "ready")
        if os.path.exists(self.ready):
            os.unlink(self.ready)
        self.child = subprocess.Popen([os.path.join(BENCH, "writer"), self.ready, pace, str(mib), *sort], text=True,
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
