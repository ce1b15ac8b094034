#!/usr/bin/env python3
"""clang-format's layout, except that a table's columns and comments behind a line may be aligned at will.

With --fix the files that have another layout are rewritten.
"""
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import source


def squeezed(text):
    """Indentation as it is, every other run of blanks as one."""
    return [re.sub(r"(?<=\S)[ \t]+", " ", line) for line in text.splitlines()]


def check(path):
    done = subprocess.run(["clang-format", path], stdout=subprocess.PIPE, text=True, check=True).stdout
    text = source.read(path)
    if "--fix" in sys.argv and squeezed(text) != squeezed(done):
        with open(path, "w", encoding="utf-8") as file:
            file.write(done)
        return [f"{path}: rewritten"]
    was, wanted = squeezed(text), squeezed(done)
    for number, (a, b) in enumerate(zip(was + [""], wanted + [""]), 1):
        if a != b:
            return [f"{path}:{number}: clang-format would write: {b}"]
    return [] if len(was) == len(wanted) else [f"{path}: clang-format wants another number of lines"]


with ThreadPoolExecutor(os.cpu_count()) as pool:
    found = pool.map(check, source.files(".c", ".h"))
sys.exit(source.report([line for lines in found for line in lines]))
