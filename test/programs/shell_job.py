"""A job of an interactive shell, saved from elsewhere and restored by typing it into the same or another terminal.

    shell_job.py STASIS IMAGES same|other
"""
import os
import re
import subprocess
import sys
import time

import terminal

stasis, images, where = sys.argv[1:]


def interrupt(shell):
    """When the job reads: bash looks for signals before, and would then wait for a line first."""
    end = time.monotonic() + 20
    while not open(f"/proc/{pid}/syscall", encoding="ascii").read().startswith("0 0x0 "):
        assert time.monotonic() < end, "the job does not read"
        time.sleep(0.01)
    shell.press(b"\x03")


shell = ["bash", "--norc", "--noprofile", "-i"]


first = terminal.Shell(*shell)
first.expect("PROMPT> ")
first.type(f"bash {os.path.dirname(__file__)}/job.sh")
pid = int(re.search(r"job of pid (\d+)", first.expect(" runs\r\n") + " ").group(1))
first.type("one")
first.expect("heard <ONE>")
interrupt(first)
first.expect("interrupt 1")

done = subprocess.run([stasis, "dump", "-t", str(pid), "-D", images], stdin=subprocess.DEVNULL,
                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
assert done.returncode == 1, done.stdout
assert done.stdout == (f"cannot dump {pid}: pid {pid} belongs to the session of pid {first.pid}, which is outside "
                       "of the tree; dump the tree of that process, or use --shell-job for a job started from "
                       "a shell\n"), done.stdout
first.type("two")
first.expect("heard <TWO>")

subprocess.run([stasis, "dump", "--shell-job", "-t", str(pid), "-D", images, "-v4", "-o", "dump.log"],
               stdin=subprocess.DEVNULL, check=True)
first.expect("Killed")
first.expect("PROMPT> ")

second = first if where == "same" else terminal.Shell(*shell)
if second is not first:
    second.expect("PROMPT> ")
second.type(f"{stasis} restore --shell-job -D {images} -v4 -o restore.log")
second.expect("restore.log\r\n")
second.type("three")
second.expect("heard <THREE>")
interrupt(second)
second.expect("interrupt 2")
second.press(b"\x1a")
second.expect("Stopped")
second.expect("PROMPT> ")
second.type("fg")
second.expect("restore.log\r\n")
second.type("four")
second.expect("heard <FOUR>")
second.type("end")
second.expect("over after 2 interrupts")
second.expect("PROMPT> ")
second.type("echo back with $?")
second.expect("with 0")
second.type("exit")
assert os.waitpid(second.pid, 0)[1] == 0
print("ok")
