"""A shell in a terminal whose other end is ours: it answers, and is stopped and ended from its keyboard."""
import os

import terminal
import victim


def work():
    shell = terminal.Shell("bash", "--norc", "--noprofile", "-i")
    shell.expect("PROMPT> ")
    shell.type("here=lost; here=kept; sleep 1000 &")
    shell.expect("PROMPT> ")
    shell.type("echo run''ning; cat")
    shell.expect("running\r\n")
    shell.type("one")
    shell.expect("one\r\none\r\n")
    victim.ready()
    victim.wait()
    shell.type("two")
    shell.expect("two\r\ntwo\r\n")
    shell.press(b"\x1a")
    shell.expect("Stopped")
    shell.expect("PROMPT> ")
    shell.type("jobs; echo i am $here")
    before = shell.expect("i am kept")
    assert "sleep 1000" in before and "Stopped" in before, before
    shell.type("echo again; fg %+")
    shell.expect("cat\r\n")
    shell.type("three")
    shell.expect("three\r\nthree\r\n")
    shell.press(b"\x03")
    shell.expect("PROMPT> ")
    shell.type("kill %1; wait; exit 7")
    shell.expect("exit\r\n")
    assert os.waitstatus_to_exitcode(os.waitpid(shell.pid, 0)[1]) == 7


victim.main(work)
