#!/usr/bin/env python3
"""The budgets of the style: lines of a file and of a function, parameters of a function."""
import re
import sys

import source

FILE_LINES, FUNCTION_LINES, PARAMETERS = 500, 60, 5

# A declaration or definition at the left margin: the name, then its parameters up to ';' or '{'.
SIGNATURE = re.compile(r"^(?!#|typedef|\})(?=[A-Za-z_])[^;{}=#]*?\b(\w+)\s*\(", re.M)


def closing(text, at):
    """The place of the bracket that closes the one at 'at'."""
    depth = 0
    for i in range(at, len(text)):
        depth += (text[i] == "(") - (text[i] == ")")
        if depth == 0:
            return i
    return len(text)


def parameters(inside):
    if inside.strip() in ("", "void"):
        return 0
    depth, count = 0, 1
    for c in inside:
        depth += (c == "(") - (c == ")")
        count += c == "," and depth == 0
    return count


def functions(text):
    """(name, first line, parameters, lines or 0 for a mere declaration)"""
    at = 0
    while match := SIGNATURE.search(text, at):
        start, end = match.start(), closing(text, match.end() - 1)
        while match.group(1) in ("__attribute__", "attribute"):
            match = re.compile(r"[^;{}=#]*?\b(\w+)\s*\(").match(text, end + 1)
            if not match:
                break
            end = closing(text, match.end() - 1)
        at = end + 1
        if not match:
            continue
        inside = text[match.end():end]
        line = text.count("\n", 0, start) + 1
        behind = re.compile(r"[^;{}=]*([;{}=])").match(text, end + 1)
        lines = 0
        if behind and behind.group(1) == "{":
            stop = text.find("\n}", end)
            lines = text.count("\n", start, stop) + 2
            at = stop + 2
        yield match.group(1), line, parameters(inside), lines


def check(path):
    text = source.read(path)
    count = text.count("\n")
    if count > FILE_LINES:
        yield f"{path}: {count} lines, {FILE_LINES} at most"
    if not path.endswith((".c", ".h")):
        return
    for name, line, params, lines in functions(source.bare(text)):
        if lines > FUNCTION_LINES:
            yield f"{path}:{line}: {name}() has {lines} lines, {FUNCTION_LINES} at most"
        if params > PARAMETERS:
            yield f"{path}:{line}: {name}() has {params} parameters, {PARAMETERS} at most"


sys.exit(source.report([finding for path in source.files(".c", ".h", ".S", ".sh", ".bash", ".bats", ".py")
                        for finding in check(path)]))
