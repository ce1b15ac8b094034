#!/usr/bin/env python3
"""peak.py FILE COMMAND...: runs it, and writes into FILE how many KiB the largest of its processes had at most."""
import resource
import subprocess
import sys

status = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w", encoding="ascii") as file:
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=file)
sys.exit(status)
