"""Sessions of ssh that are in the middle of things while the server is away: of root, and of somebody for whom the server has a second
process with fewer rights.
"""
import hashlib
import random
import subprocess
import threading
import time

from served import away, over, path, rounds, there, together

SSH = ["ssh", "-F", path("ssh_config")]


class Shell:
    """In a terminal of the server's; what is shown ends in a prompt."""

    def __init__(self, user):
        self.ssh = subprocess.Popen([*SSH, "-S", "none", "-tt", f"{user}@it", "env -i PS1='PROMPT> ' TERM=dumb HOME=/ PATH=$PATH bash --norc"],
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.shown = ""
        self.expect("PROMPT> ")

    def press(self, keys):
        self.ssh.stdin.write(keys)

    def type(self, line):
        self.press(line.encode() + b"\n")

    def expect(self, words):
        while words not in self.shown:
            more = self.ssh.stdout.read(4096)
            assert more, f"the session has ended: {self.shown}"
            self.shown += more.decode()
        before, self.shown = self.shown.split(words, 1)
        return before

    def run(self, command, *lines):
        """What it prints are these lines."""
        self.type(command)
        said = self.expect("PROMPT> ").replace("\r", "").split("\n")[1:-1]
        assert said == list(lines), f"'{command}' gave {said}"


def shell(user, numbers):
    session = Shell(user)
    session.run("here=kept; echo $USER $((6 * 7)); stty rows 33 cols 99", "42")
    session.type("sleep 1000 &")
    session.expect("PROMPT> ")
    for n in numbers:
        session.run("stty size; jobs", "33 99", "[1]+  Running                 sleep 1000 &")
        session.type("echo read''ing; cat")
        session.expect("reading\r\n")
        session.type("half of")
        session.expect("half of\r\nhalf of\r\n")
        session.press(b"a line")
        yield n
        session.type(f" {n}")
        session.expect(f"a line {n}\r\na line {n}\r\n")
        session.press(b"\x04")
        session.expect("PROMPT> ")
        session.run(f"echo $here {n} $(seq 3)", f"kept {n} 1 2 3")
        session.type("""sh -c 'echo sleep""ing; exec sleep 500'""")
        session.expect("sleeping\r\n")
        session.press(b"\x03")
        session.expect("PROMPT> ")
        session.type("seq 20000 | md5sum; seq 20000 | tail -n 2")
        session.expect("19999\r\n20000\r\n")
        session.expect("PROMPT> ")
    session.type("kill %1; wait; exit 3")
    assert session.ssh.wait(30) == 3


def shells():
    sessions = [shell("root", rounds), shell("postgres", rounds)]
    for numbers in zip(*sessions):
        away(numbers[0])
    for session in sessions:
        assert next(session, None) is None


def stream(user):
    """Bytes come back as they were, while others are on their way."""
    ssh = subprocess.Popen([*SSH, "-S", "none", f"{user}@it", "cat; echo $? >&2; exit 5"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
    sent, got = hashlib.sha256(), hashlib.sha256()

    def write():
        source = random.Random(user)
        while not over():
            data = source.randbytes(20_000)
            sent.update(data)
            ssh.stdin.write(data)
            time.sleep(0.02)
        ssh.stdin.close()

    writer = threading.Thread(target=write)
    writer.start()
    while data := ssh.stdout.read1(100_000):
        got.update(data)
    writer.join()
    assert got.digest() == sent.digest(), "not all bytes came back"
    assert ssh.wait(30) == 5 and ssh.stderr.read() == b"0\n"


def commands():
    """Each is a new channel of a connection that there is all the time."""
    master = subprocess.Popen([*SSH, "-M", "-N", "root@it"], stdin=subprocess.DEVNULL)
    while not there("control") and not over():
        time.sleep(0.01)
    number = 0
    while not over():
        number += 1
        said = subprocess.run([*SSH, "-o", "ControlMaster=no", "root@it", f"cat; echo {number}; exit 7"], input=b"input\n",
                              stdout=subprocess.PIPE, check=False)
        assert said.returncode == 7 and said.stdout == b"input\n%d\n" % number, said
        time.sleep(0.1)
    master.terminate()
    master.wait()


together((shells,), (stream, "postgres"), (commands,))
