#!/usr/bin/env python3
"""Images of two moments mixed: what a dump that is not of one moment would have written.

    mix.py WHAT OLD NEW     a piece of OLD goes into NEW; WHAT is what the functions below are called, or a region
"""
import itertools
import json
import mmap
import os
import shutil
import subprocess
import sys

PAGE = 4096
# What stands in the upper half of a page's number; test/freeze/*.h.
REGIONS = {
    "first_writer": 0x10, "second_writer": 0x11, "disturbed": 0x20, "shared_anonymous": 0x100, "memfd": 0x101,
    "sysv": 0x102, "heap": 0x200, "huge": 0x201, "direct": 0x400, "inbox": 0x401, "box": 0x402,
}
PRESENT = "PE_PRESENT"


def show(path):
    out = subprocess.run([os.environ["STASIS"], "show", path], check=True, stdout=subprocess.PIPE)
    return json.loads(out.stdout)["entries"]


class Memory:
    """One page map: a page by its address."""

    def __init__(self, folder, name):
        head, *runs = show(f"{folder}/{name}")
        self.path = f"{folder}/pages-{head['pages_id']}.img"
        self.at, offset = {}, 0
        for run in runs:
            if PRESENT not in run["flags"]:
                continue
            for i in range(run["nr_pages"]):
                self.at[int(run["vaddr"], 16) + i * PAGE] = offset
                offset += PAGE
        with open(self.path, "rb") as file:
            self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if offset else b""

    def page(self, address):
        return self.bytes[self.at[address]:self.at[address] + PAGE]

    def put(self, address, page):
        with open(self.path, "r+b") as file:
            file.seek(self.at[address])
            file.write(page)


def both(old, new, prefix="pagemap-"):
    for name in sorted(os.listdir(new)):
        if name.startswith(prefix) and os.path.exists(f"{old}/{name}"):
            yield Memory(old, name), Memory(new, name)


def word(page, i=0):
    return int.from_bytes(page[i * 8:i * 8 + 8], "little")


def changed(old, new, is_meant):
    """Pages that are meant and are not the same: (memory, memory, address)"""
    for was, now in both(old, new):
        for address in now.at:
            if address in was.at and is_meant(was.page(address)) and is_meant(now.page(address)):
                if was.page(address) != now.page(address):
                    yield was, now, address


def one_changed(old, new, is_meant):
    for found in changed(old, new, is_meant):
        return found
    raise SystemExit("there is no such page that has changed")


def page_of(region):
    return lambda page: word(page) >> 32 == REGIONS[region] and not word(page, 1) >> 63


def older_pages(region, old, new):
    # Some may be just about to be written anew.
    found = list(itertools.islice(changed(old, new, page_of(region)), 8))
    if not found:
        raise SystemExit("there is no such page that has changed")
    for was, now, address in found:
        now.put(address, was.page(address))


def torn(old, new):
    was, now, address = one_changed(old, new, page_of("first_writer"))
    now.put(address, now.page(address)[:PAGE - 64] + was.page(address)[PAGE - 64:])


def zeros(old, new):
    _, now, address = one_changed(old, new, page_of("first_writer"))
    now.put(address, bytes(PAGE))


def tickets(old, new):
    # Nothing but one number.
    was, now, address = one_changed(old, new, lambda page: word(page) and not any(page[8:]))
    now.put(address, was.page(address))


def log(old, new):
    # Steps that follow one another.
    def is_log(page):
        return all((word(page, i) >> 32) + 1 == word(page, i + 1) >> 32 for i in range(PAGE // 8 - 1))

    was, now, address = one_changed(old, new, is_log)
    now.put(address, was.page(address))


def book(old, new):
    # Nothing but stamps of the same process.
    def is_book(page):
        stamps = [word(page, i) for i in range(PAGE // 8)]
        return all(0 < stamp < 1 << 40 and stamp % 16 < 2 for stamp in stamps)

    was, now, address = one_changed(old, new, is_book)
    now.put(address, was.page(address))


def leaders(folder):
    return [entry["pid"] for entry in show(f"{folder}/pstree.img")]


def registers(old, new):
    for name in os.listdir(old):
        if name.startswith("core-") and int(name[5:-4]) not in leaders(old):
            shutil.copy(f"{old}/{name}", f"{new}/{name}")


def process(old, new):
    """All of the second one, as it was."""
    pid = leaders(old)[1]
    threads = next(entry["threads"] for entry in show(f"{old}/pstree.img") if entry["pid"] == pid)
    for tid in threads:
        shutil.copy(f"{old}/core-{tid}.img", f"{new}/core-{tid}.img")
    (was, now), = both(old, new, f"pagemap-{pid}.img")
    shutil.copy(f"{old}/pagemap-{pid}.img", f"{new}/pagemap-{pid}.img")
    shutil.copy(f"{old}/mm-{pid}.img", f"{new}/mm-{pid}.img")
    shutil.copy(was.path, now.path)


def main():
    what, old, new = sys.argv[1:]
    if what in REGIONS:
        older_pages(what, old, new)
    else:
        {function.__name__: function
         for function in (torn, zeros, tickets, log, book, registers, process)}[what](old, new)


main()
