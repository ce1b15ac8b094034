"""What test/lib/victim.h is for programs in C: says when it is set up, waits for its turn, tells the result."""
import os
import sys
import time
import traceback

number = 0


def ready(text=""):
    """Set up, or at the end of a round: the test may save and restore from now on."""
    global number
    number += 1
    path = f"{os.environ['VICTIM_READY']}.{number}"
    with open(path + ".part", "x", encoding="utf-8") as file:
        file.write(text)
    os.rename(path + ".part", path)


def may_go():
    return os.path.exists(f"{os.environ['VICTIM_GO']}.{number}")


def wait():
    while not may_go():
        time.sleep(0.005)


def result(text):
    path = os.environ["VICTIM_RESULT"]
    with open(path + ".part", "w", encoding="utf-8") as file:
        file.write(text + "\n")
    os.rename(path + ".part", path)


def main(work):
    """Runs it; whatever it raises is the result."""
    try:
        work()
        result("ok")
    except BaseException:
        result("FAIL " + traceback.format_exc())
        sys.exit(1)
