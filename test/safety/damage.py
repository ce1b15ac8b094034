#!/usr/bin/env python3
"""Damages the images of a dump in every way it can think of, and tries a whole restore of each.

    damage.py [--rounds N] [--seed N] [--only FILE] [--list] STASIS IMAGES SCRATCH -- [OPTIONS OF RESTORE]

It is meant to be process 1 of a pid namespace (damaged.bats makes one), with a file system that may not be
written to: whatever is there after a restore is what that restore has left, and nobody else can be hurt.
A restore either works, or says one sentence, has the status 1 and leaves nothing behind.

With the manifest every damage is found by its checksums, so most of this is done without it, as with images of CRIU:
what reads images has to do without. Then all files are damaged again, some ways, beside the manifest.
"""
import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import images

PATIENCE = 60
MANIFEST = "stasis-manifest.img"
# Whoever is not of the tree, and must not be touched: its pid is tried wherever images have one.
BYSTANDER = """
import os, signal, time
for s in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(s, lambda n, f: os._exit(n))
print("ready", flush=True)
time.sleep(1e6)
"""
# What 'show --tree' reads.
SHOWN = ("pstree", "core-", "mm-", "fs-", "ids-", "fdinfo-", "files", "pagemap-")
# A restore does not read them.
UNREAD = ("stats-", "timens-", "dump.log")
# What need not be there: the dumped had none of what they hold.
OPTIONAL = ("pipes-data", "fifo-data", "stasis-", "memfd", "seccomp", "filelocks", "tty-data", "remap-fpath")


class Place:
    """Where restores are tried, and what must stay as it is there."""

    def __init__(self, args):
        self.args = args
        self.dir = os.path.join(args.scratch, "damaged")
        self.out = os.path.join(args.scratch, "said")
        self.bystander = subprocess.Popen([sys.executable, "-c", BYSTANDER], stdout=subprocess.PIPE, close_fds=True)
        self.bystander.stdout.readline()
        self.known = {os.getpid(), self.bystander.pid}
        # A restore that works removes the links that the dump has made; each is to find them.
        self.links = [path for path in self.walk(args.scratch) if "/link_remap." in path]
        for path in self.links:
            os.link(path, path + ".kept")
        self.failures = 0
        self.said = {}

    def lay_out(self, changes):
        """The dump with some files in other words; None: without them. The manifest is there if it is among them."""
        shutil.rmtree(self.dir, ignore_errors=True)
        os.mkdir(self.dir)
        for name in os.listdir(self.args.images):
            if name in changes or name == MANIFEST or name.endswith(".log"):
                continue
            os.link(os.path.join(self.args.images, name), os.path.join(self.dir, name))
        for name, data in changes.items():
            path = os.path.join(self.dir, name)
            if callable(data):
                data(path)
            elif data is not None:
                with open(path, "wb") as f:
                    f.write(data)

        for path in self.links:
            if not os.path.exists(path):
                os.link(path + ".kept", path)

    @staticmethod
    def walk(where):
        return [os.path.join(top, f) for top, dirs, files in os.walk(where) for f in files]

    def world(self):
        """Files and System V objects; mounts."""
        found = []
        for top, dirs, files in os.walk("/tmp"):
            if top in (self.args.scratch, os.getcwd()):
                dirs.clear()
                continue
            found += [(path, os.lstat(path).st_size) for path in (os.path.join(top, f) for f in files + dirs)]
        with open("/proc/self/mounts") as m:
            return (sorted(found), self.sysv()), set(m)

    @staticmethod
    def sysv():
        """What there is, without what it is like."""
        there = {}
        for what in ("shm", "sem", "msg"):
            with open(f"/proc/sysvipc/{what}") as f:
                there[what] = [line.split()[1] for line in f][1:]
        return there

    def is_changed(self, before):
        """A mount goes by itself when somebody outside removes its directory: other tests do, behind an unmount there."""
        now = self.world()
        return now[0] != before[0] or not now[1] <= before[1]

    def others(self):
        return [int(p) for p in os.listdir("/proc") if p.isdigit() and int(p) not in self.known]

    def reap(self):
        """What has lost its parent is ours; the bystander is not asked for."""
        for pid in self.others():
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass

    def end_all(self):
        """Ends all processes of the tree, by pid. Nobody else is in this namespace."""
        while pids := self.others():
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.reap()
            time.sleep(0.002)
        for what, ids in self.sysv().items():
            if ids:
                subprocess.run(["ipcrm", f"--all={what}"], check=True)

    def run(self, command):
        """(status or None, what it wrote on standard error)"""
        with open(self.out, "w+b") as err, open(os.devnull) as null:
            p = subprocess.Popen(command, stdin=null, stdout=subprocess.DEVNULL, stderr=err, start_new_session=True)
            try:
                status = p.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                status = None
            err.seek(0)
            return status, err.read().decode(errors="replace")

    def left(self):
        for _ in range(500):
            self.reap()
            if not self.others():
                return ""
            time.sleep(0.002)
        return " ".join(map(str, self.others()))

    def wrong(self, status, said, must_fail, start):
        """What is wrong with such an outcome, None: nothing."""
        if status is None:
            return "it hangs"
        if "Sanitizer" in said or "runtime error" in said:
            return "a sanitizer reports"
        if status not in (0, 1):
            return f"it ended with {status}"
        if status == 0 and must_fail:
            return "it worked"
        if status == 0:
            return None
        if not (said.startswith(start) and said.endswith("\n") and said[:-1].isprintable()):
            return "that is not one sentence"
        return None

    def complain(self, what, why, said):
        self.failures += 1
        print(f"{what}: {why}: {said.strip()[:6000]}", flush=True)

    def trial(self, what, changes, must_fail):
        self.lay_out(changes)
        before = self.world()
        status, said = self.run([self.args.stasis, "restore", "-d", "-D", self.dir, *self.args.options])
        why = self.wrong(status, said, must_fail, f"cannot restore '{self.dir}': ")
        if status == 1 and not why and (left := self.left()):
            why = f"processes are left ({left})"
        if status == 1 and not why and self.is_changed(before):
            why = "something else is left"
        self.end_all()
        if self.bystander.poll() is not None:
            sys.exit(f"{what}: the bystander was hit ({self.bystander.poll()})")
        if why:
            self.complain(what, why, said)
        if status == 0 and not why and said and not said.startswith("Warn"):
            self.complain(what, "it worked, but spoke", said)
        self.note(what, status, said)

    def note(self, what, status, said):
        said = said.replace(self.dir, "DIR").strip() if status else "worked"
        self.said.setdefault(said, []).append(what)

    def verify(self, what, tells):
        """It fails, and says so."""
        status, said = self.run([self.args.stasis, "verify", self.dir])
        why = self.wrong(status, said, True, f"cannot verify '{self.dir}': ")
        if why or not re.search(tells, said):
            self.complain(f"{what}, verify", why or f"it does not say '{tells}'", said)

    def show(self, what, name):
        tree = [["show", "--tree", self.dir]] if name.startswith(SHOWN) else []
        for words in [["show", os.path.join(self.dir, name)]] + tree:
            status, said = self.run([self.args.stasis, *words])
            if why := self.wrong(status, said, False, "cannot show '"):
                self.complain(f"{what}, {' '.join(words)}", why, said)


def fixed_damages(name, data):
    """(words, contents, whether a restore must fail)"""
    read = not name.startswith(UNREAD) and len(data) > 0
    needed = read and not name.startswith(OPTIONAL)
    yield "missing", None, needed
    yield "empty", b"", read
    yield "a directory", os.mkdir, read
    yield "a fifo", os.mkfifo, read
    for size in sorted({1, 7, len(data) // 2, len(data) - 1} & set(range(1, len(data)))):
        # An image may well end behind a record.
        yield f"cut to {size} bytes", data[:size], read and size not in images.boundaries(name, data)
    for size in images.boundaries(name, data)[1:-1]:
        yield f"cut to {size} bytes, behind a record", data[:size], False
    if not name.startswith("pages-"):
        yield "of the other byte order", data[3::-1] + data[7:3:-1] + data[8:], read
        yield "of another kind", data[:4] + bytes(4) + data[8:], read and name != "inventory.img"
    yield "with more behind it", data + b"\1\2\3", read


def chosen_damages(name, data):
    """Those that have to be told in certain words."""
    if name.startswith("core-"):
        yield "from another architecture", images.change(name, data, (0, 1), 3), "AARCH64"
    if name == "inventory.img":
        yield "of a version to come", images.change(name, data, (0, 1), 77), "version 77, newer than"
    if name == "files.img":
        yield "with an unknown kind", images.change(name, data, (0, 1), 99), "which is not supported"


def listed_damages(name, data, rng):
    """(words, contents, what has to be told)"""
    bare = re.escape(name)
    if data:
        at = rng.randrange(len(data))
        flipped = bytearray(data)
        flipped[at] ^= 1 << rng.randrange(8)
        chunk = at // 32768 * 32768
        size = min(32768, len(data) - chunk)
        yield f"flipped at {at}", bytes(flipped), f"'{bare}' is damaged at offset {chunk}: the {size} bytes from there"
        yield "empty", b"", f"'{bare}' has 0 bytes, but it was written with {len(data)};"
        yield "cut", data[:-1], f"'{bare}' has {len(data) - 1} bytes, but it was written with {len(data)};"
    yield "longer", data + b"x", f"'{bare}' has {len(data) + 1} bytes, but it was written with {len(data)};"
    yield "missing", None, f"'{bare}'.* is missing"
    yield "a directory", os.mkdir, f"'{bare}' is not a regular file"
    yield "a fifo", os.mkfifo, f"'{bare}' is not a regular file"


def manifest_damages(data, rounds, seed):
    rng = random.Random(f"{seed} manifest")
    for words, contents, must_fail in fixed_damages(MANIFEST, data):
        yield words, contents, contents is not None and (must_fail or words.startswith("cut"))
    for n in range(rounds + 5):
        flipped = bytearray(data)
        flipped[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        yield f"flipped (round {n})", bytes(flipped), True
        if other := images.mutate(MANIFEST, data, rng, [0]):
            yield f"{other[0]} (round {n})", other[1], other[1] != data


def random_damages(name, data, rounds, pids, seed):
    for n in range(rounds if data else 0):
        rng = random.Random(f"{seed} {n} {images.sort_of(name)}")
        flipped = bytearray(data)
        # The magic and the first size are soon known; further back is more to find.
        places = {rng.randrange(len(data)) for _ in range(rng.choice((1, 1, 1, 2, 5)))}
        for at in places:
            flipped[at] ^= rng.choice((1, 0x80, 0xff, 1 << rng.randrange(8)))
        yield f"flipped at {sorted(places)} (round {n})", bytes(flipped), False
        if not name.startswith("pages-") and (other := images.mutate(name, data, rng, pids)):
            yield f"{other[0]} (round {n})", other[1], False


def damage_file(place, name, pids):
    args = place.args
    data = read(place, name)
    for words, contents, must_fail in fixed_damages(name, data):
        place.trial(f"{name}, {words}", {name: contents}, must_fail)
        place.show(f"{name}, {words}", name)
    for words, contents, tells in chosen_damages(name, data):
        place.trial(f"{name}, {words}", {name: contents}, True)
        if not any(tells in said and f"{name}, {words}" in whats for said, whats in place.said.items()):
            place.complain(f"{name}, {words}", f"it does not say '{tells}'", "")
    for words, contents, must_fail in random_damages(name, data, args.rounds, pids, args.seed):
        place.trial(f"{name}, {words}", {name: contents}, must_fail)
        place.show(f"{name}, {words}", name)


def read(place, name):
    with open(os.path.join(place.args.images, name), "rb") as f:
        return f.read()


def damage_listed_file(place, name, manifest):
    data = read(place, name)
    for words, contents, tells in listed_damages(name, data, random.Random(f"{place.args.seed} {name}")):
        what = f"{name}, {words}, with the manifest"
        place.trial(what, {name: contents, MANIFEST: manifest}, True)
        place.verify(what, tells)
        # Chunks of compressed pages have checksums of their own, which a restore finds first.
        if name.startswith("stasis-pages-") and words.startswith("flipped"):
            tells = f"'{re.escape(name)}' "
        if not any(re.search(tells, said) and what in whats for said, whats in place.said.items()):
            place.complain(what, f"it does not say '{tells}'", next(s for s, w in place.said.items() if what in w))


def damage_manifest(place, data):
    for words, contents, must_fail in manifest_damages(data, place.args.rounds, place.args.seed):
        place.trial(f"{MANIFEST}, {words}", {MANIFEST: contents}, must_fail)
        # A size of 0 that is set to 0 is no damage.
        if contents != data:
            place.verify(f"{MANIFEST}, {words}", f"'{MANIFEST}'")


def parse():
    p = argparse.ArgumentParser()
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--seed", default="1")
    p.add_argument("--only", default="")
    p.add_argument("--list", action="store_true")
    p.add_argument("stasis")
    p.add_argument("images")
    p.add_argument("scratch")
    p.add_argument("options", nargs="*")
    return p.parse_args()


def main():
    args = parse()
    place = Place(args)
    names = sorted(n for n in os.listdir(args.images) if not n.endswith(".log") and n != MANIFEST)
    manifest = read(place, MANIFEST)
    pids = [int(n[5:-4]) for n in names if n.startswith("core-")] + [1, place.bystander.pid]
    place.trial("nothing is damaged", {}, False)
    if "worked" not in place.said:
        sys.exit(f"the images cannot be restored: {place.said}")
    for name in names:
        if args.only in name:
            damage_file(place, name, pids)
            if not name.startswith("stats-"):
                damage_listed_file(place, name, manifest)
    if args.only in MANIFEST:
        damage_manifest(place, manifest)
    if args.list:
        for said, whats in sorted(place.said.items()):
            print(f"{len(whats):5} {said}\n        {whats[0]}")
    count = sum(map(len, place.said.values()))
    print(f"seed {args.seed}: {count} restores, {len(place.said.get('worked', []))} worked, {place.failures} failures")
    sys.exit(place.failures > 0)


if __name__ == "__main__":
    main()
