#!/usr/bin/env python3
"""Makes inputs of files_fuzz.c of real dumps: seeds.py OUT IMAGES..."""
import os
import re
import struct
import sys

KINDS = [
    r"files", r"fdinfo-(\d+)", r"ids-(\d+)", r"fs-(\d+)", r"stasis-files", r"stasis-inet", r"stasis-sockets",
    r"stasis-pipes", r"remap-fpath", r"ghost-file-([0-9a-f]+)", r"pipes-data", r"fifo-data", r"sk-queues",
    r"tcp-stream-([0-9a-f]+)", r"tty-info", r"tty-data", r"memfd", r"filelocks", r"bpfmap-data", r"ipcns-sem-(\d+)",
    r"ipcns-msg-(\d+)", r"stasis-ipc-(\d+)", r"stasis-waiting", r"stasis-datagrams",
]


def record(name, data, first):
    for index, pattern in enumerate(KINDS):
        match = re.fullmatch(pattern + r"\.img", name)
        if not match:
            continue
        number = int(match.group(1), 16 if "a-f" in pattern else 10) if match.groups() else 0
        if name.startswith(("ids-", "fs-")):
            if number != first:
                return b""
            number = 1
        return struct.pack("<BIH", index, number, min(len(data) - 8, 65535)) + data[8:]
    return b""


out, *folders = sys.argv[1:]
for count, folder in enumerate(folders):
    names = sorted(os.listdir(folder))
    pids = [int(n[3:-4]) for n in names if re.fullmatch(r"fs-\d+\.img", n)]
    if not pids:
        continue
    seed = b""
    for name in names:
        with open(os.path.join(folder, name), "rb") as f:
            seed += record(name, f.read(8 + 65535), min(pids))
    with open(os.path.join(out, f"seed-{count}"), "wb") as f:
        f.write(seed)
