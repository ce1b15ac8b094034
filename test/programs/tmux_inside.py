"""A tmux client in a terminal, the keyboard and screen of which are ours; its server has a shell in one window, vim in a second one,
and two panes with output all the while in a third.

    tmux_inside.py ROUNDS
"""
import os
import subprocess
import sys
import time

import terminal
import victim

FOLDER = os.environ["VICTIM_RESULT"] + ".tmux"
TMUX = ["tmux", "-S", f"{FOLDER}/socket", "-f", "/dev/null"]
SHELL = "env PS1='PROMPT> ' bash --norc --noprofile"


def tmux(*command):
    """Another client, that is gone again."""
    return subprocess.run([*TMUX, *command], stdout=subprocess.PIPE, text=True, check=True).stdout


def screen(window):
    return tmux("capture-pane", "-p", "-t", window)


def until_shown(window, words):
    end = time.monotonic() + 60
    while words not in screen(window):
        assert time.monotonic() < end, f"no '{words}' in {screen(window)}"
        time.sleep(0.02)


def counts(pane):
    return int((screen(pane).split("count ")[-1].split() or ["0"])[0])


def work():
    os.mkdir(FOLDER)
    os.environ.update(TERM="xterm", LANG="C.UTF-8", HOME=FOLDER)
    server = subprocess.Popen([*TMUX, "-D"], stdin=subprocess.DEVNULL)
    while not os.path.exists(f"{FOLDER}/socket"):
        time.sleep(0.01)
    client = terminal.Shell("env", "TERM=xterm", *TMUX, "new-session", "-s", "it", "-n", "shell", SHELL)
    client.expect("PROMPT> ")
    tmux("new-window", "-d", "-n", "vim", f"vim -N -u NONE -i NONE {FOLDER}/text")
    count = f"{SHELL} -c 'while :; do echo count $((++n)); sleep 0.01; done'"
    tmux("new-window", "-d", "-n", "counts", count)
    tmux("split-window", "-d", "-t", "counts", count)
    pids = tmux("list-panes", "-s", "-F", "#{pane_pid}")
    tmux("send-keys", "-t", "vim", "i", "the first line", "Enter")
    until_shown("vim", "the first line")
    client.type("here=kept; sleep 1000 &")
    client.expect("PROMPT> ")
    for n in range(1, int(sys.argv[1]) + 1):
        # In the middle of a line here and of a command there.
        tmux("send-keys", "-t", "vim", f"line {n} and ")
        until_shown("vim", f"line {n} and")
        os.write(client.fd, f"echo $here {n} ".encode())
        client.expect(f"{n} ")
        before = [counts(f"counts.{pane}") for pane in (0, 1)]
        victim.ready()
        victim.wait()
        tmux("send-keys", "-t", "vim", "more", "Enter")
        client.type("and $((6 * 7))")
        client.expect(f"kept {n} and 42")
        until_shown("vim", f"line {n} and more")
        for pane in 0, 1:
            end = time.monotonic() + 60
            while counts(f"counts.{pane}") <= before[pane]:
                assert time.monotonic() < end, f"pane {pane} stands still at {before[pane]}"
    # The screen of the client follows.
    os.write(client.fd, b"\x02n")
    client.expect("the first line")
    tmux("send-keys", "-t", "vim", "Escape")
    tmux("send-keys", "-t", "vim", "u", "C-r", ":wq", "Enter")
    while "vim" in tmux("list-windows", "-F", "#{window_name}"):
        time.sleep(0.02)
    assert tmux("list-panes", "-s", "-F", "#{pane_pid}") == pids.replace(pids.split("\n")[1] + "\n", "")
    with open(f"{FOLDER}/text", encoding="utf-8") as text:
        lines = text.read().split("\n")
    assert lines[:-2] == ["the first line"] + [f"line {n} and more" for n in range(1, int(sys.argv[1]) + 1)], lines
    tmux("kill-server")
    assert server.wait(30) == 0
    assert os.waitpid(client.pid, 0)[1] >= 0


victim.main(work)
