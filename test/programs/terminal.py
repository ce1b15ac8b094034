"""A program in a pseudo-terminal of its own, the keyboard and the screen of which are here."""
import os
import pty
import select
import time


class Shell:
    """What is typed and what is shown."""

    def __init__(self, *command):
        self.shown = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.closerange(3, os.sysconf("SC_OPEN_MAX"))
            os.execvpe(command[0], command, os.environ | {"PS1": "PROMPT> ", "TERM": "dumb"})

    def type(self, line):
        os.write(self.fd, (line + "\n").encode())

    def press(self, key):
        os.write(self.fd, key)

    def expect(self, words, seconds=20):
        """Reads on until these words are shown; what was shown up to their end is forgotten."""
        end = time.monotonic() + seconds
        while words not in self.shown:
            ready, _, _ = select.select([self.fd], [], [], max(0, end - time.monotonic()))
            assert ready, f"no '{words}' in {self.shown!r}"
            self.shown += os.read(self.fd, 4096).decode(errors="replace")
        before, self.shown = self.shown.split(words, 1)
        return before
