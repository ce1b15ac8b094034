"""What the checks of the tree share: which files there are, and C text without comments and strings."""
import re
import subprocess

KIND_DIRS = ("fd", "task", "mm", "ns")


def files(*suffixes):
    """Tracked and new files, not the ignored ones."""
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    return sorted({f for f in out.splitlines() if f.endswith(suffixes) and exists(f)})


def exists(path):
    try:
        open(path).close()
    except FileNotFoundError:
        return False
    return True


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


TOKEN = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)


def bare(text):
    """The same lines, with what is inside comments and strings taken out."""
    def blank(match):
        found = match.group(0)
        return "\n" * found.count("\n") if found[0] == "/" else found[0] * 2
    return TOKEN.sub(blank, text)


def report(findings):
    for line in findings:
        print(line)
    return 1 if findings else 0
