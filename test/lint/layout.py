#!/usr/bin/env python3
"""A kind is a path: what dump has, restore has too, under the same name, with its messages and its test."""
import os
import re
import sys

import source

# Not kinds of their own, and so on one side only.
ONE_SIDED = {
    "task/extra": "writes what the other kinds leave over",
    "task/unsupported": "refuses at dump",
    "mm/unsupported": "refuses at dump",
}
UNTESTED = {"task/extra"}

ALL = source.files(".c", ".h", ".proto", ".bats")
TREE = set(ALL)


def kinds(side):
    """(fd/timerfd, ...): the files of one side that lie a level down."""
    pattern = re.compile(rf"{side}/((?:{'|'.join(source.KIND_DIRS)})/\w+)\.c$")
    found = {match.group(1) for match in map(pattern.match, ALL) if match}
    # shmem_save.c is a part of the kind shmem, not a kind.
    return {kind for kind in found if not any(kind.startswith(other + "_") for other in found)}


def check():
    both = kinds("dump") | kinds("restore")
    for kind in sorted(both):
        for side in ("dump", "restore"):
            if kind not in kinds(side) and kind not in ONE_SIDED:
                yield f"{side}/{kind}.c: missing, though the other side has it"
        if f"test/{kind}.bats" not in TREE and kind not in UNTESTED:
            yield f"test/{kind}.bats: missing; every kind has a test"
        if kind.startswith("fd/") and f"images/{kind}.proto" not in TREE:
            yield f"images/{kind}.proto: missing; every kind of descriptor has its message"
    for path in ALL:
        top = path.split("/")[0]
        if top in ("dump", "restore") and path.endswith(".c") and os.path.dirname(path).count("/") > 1:
            yield f"{path}: kinds lie one level down, not deeper"


sys.exit(source.report(list(check())))
