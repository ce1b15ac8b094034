"""For clients in tests of served.bash: what they agree upon with the test, in files of its folder."""
import os
import sys
import threading
import time
import traceback

folder = os.environ["TEST_DIR"]
rounds = range(1, int(os.environ["ROUNDS"]) + 1)
failures = []


def path(name):
    return f"{folder}/{name}"


def there(name):
    return os.path.exists(path(name))


def say(name, text=""):
    with open(path(name + ".part"), "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(path(name + ".part"), path(name))


def over():
    """All rounds are behind us, or a client has failed."""
    return there("over") or there("failed")


def away(number):
    """In the middle of something: the server may go, and comes back before this returns."""
    say(f"halfway.{number}")
    while not there(f"round.{number}"):
        if there("failed"):
            sys.exit("another client has failed")
        time.sleep(0.005)


def guarded(work, *arguments):
    try:
        work(*arguments)
    except BaseException:
        failures.append(work)
        print(f"{work.__name__}{arguments}: {traceback.format_exc()}", flush=True)
        say("failed")


def ended_by(kind, error, trace):
    traceback.print_exception(kind, error, trace)
    say("failed")


sys.excepthook = ended_by


def together(*works):
    """Each is a function and its arguments, and has a thread of its own."""
    threads = [threading.Thread(target=guarded, args=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        sys.exit(1)
