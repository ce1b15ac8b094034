"""Sessions of psql that are in the middle of things while the server is away."""
import hashlib
import subprocess

from served import away, rounds


class Session:
    """What is said to psql, and what it answers."""

    def __init__(self):
        self.psql = subprocess.Popen(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"], text=True, bufsize=1,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def ask(self, text):
        self.psql.stdin.write(text + "\n")

    def answer(self):
        self.ask("\\echo =answered=")
        lines = []
        while (line := self.psql.stdout.readline()) != "=answered=\n":
            assert line, f"psql has ended and said {lines}"
            lines.append(line.rstrip("\n"))
        return lines

    def do(self, text):
        self.ask(text)
        return self.answer()

    def expect(self, text, *lines):
        said = self.do(text)
        assert said == list(lines), f"'{text}' gave {said}"

    def end(self):
        self.psql.stdin.close()
        assert self.psql.wait(30) == 0 and self.psql.stdout.read() == ""


def wait_for(session, what, condition):
    while session.do(f"SELECT {what} FROM pg_stat_activity WHERE {condition};") != ["t"]:
        pass


class Reader:
    """Takes a little in each round: the server cannot send for most of the time."""
    lines = 100_000 * len(rounds)

    def __init__(self):
        self.psql = subprocess.Popen(["psql", "-X", "-q", "-c", f"COPY (SELECT n, md5(n::text) FROM generate_series(1, {self.lines}) n) "
                                      "TO STDOUT"], stdout=subprocess.PIPE, text=True)
        self.number = 0

    def take(self, count):
        for _ in range(count):
            self.number += 1
            line = self.psql.stdout.readline()
            assert line == f"{self.number}\t{hashlib.md5(b'%d' % self.number).hexdigest()}\n", line

    def end(self):
        self.take(self.lines - self.number)
        assert self.psql.stdout.read() == "" and self.psql.wait(30) == 0


writer, listener, holder, waiter, counter, copier, looker = sessions = [Session() for _ in range(7)]
reader = Reader()
looker.do("CREATE TABLE facts(number int PRIMARY KEY, word text); CREATE TABLE copied(number int, word text);"
          "ALTER TABLE facts SET (parallel_workers = 2); INSERT INTO facts SELECT n, 'word ' || n FROM generate_series(1, 1000) n;")
writer.do("PREPARE word(int) AS SELECT word FROM facts WHERE number = $1;"
          "CREATE TEMP TABLE mine AS SELECT * FROM facts; SET search_path = pg_catalog, public; SELECT set_config('my.own', 'kept', false);")
writer.do("BEGIN ISOLATION LEVEL REPEATABLE READ; DECLARE numbers CURSOR FOR SELECT number FROM facts ORDER BY number;"
          "SELECT pg_advisory_lock(77);")
counter.do("SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;")
listener.do("LISTEN news;")
pid, = waiter.do("SELECT pg_backend_pid();")
copier.ask("COPY copied FROM STDIN;")
for n in rounds:
    first = n * 2 - 1
    writer.expect(f"FETCH 1 FROM numbers; INSERT INTO facts VALUES ({1000 + n}, 'new {n}'); SAVEPOINT s{n};", str(first))
    copier.ask(f"{n}\tbefore")
    holder.do("BEGIN; UPDATE facts SET word = word || '!' WHERE number = 5;")
    waiter.ask("UPDATE facts SET word = word || '?' WHERE number = 5;")
    wait_for(looker, "wait_event_type = 'Lock'", f"pid = {pid}")
    counter.ask("SELECT count(pg_sleep(0.002)) FROM facts WHERE number <= 500;")
    wait_for(looker, "count(*) = 2", "backend_type = 'parallel worker'")
    reader.take(1000)
    away(n)
    copier.ask(f"{n}\tbehind")
    writer.expect("FETCH 1 FROM numbers; EXECUTE word(7);", str(first + 1), "word 7")
    writer.expect(f"EXECUTE word({1000 + n}); SELECT current_setting('my.own'), count(*) FROM mine;", f"new {n}", "kept|1000")
    writer.expect("UPDATE facts SET word = 'lost' WHERE number > 500;" f"ROLLBACK TO s{n};")
    assert writer.do("SELECT count(*) FROM facts WHERE word = 'lost';") == ["0"]
    looker.expect(f"SELECT count(*) FROM facts; SELECT pg_try_advisory_lock(77); NOTIFY news, 'number {n}';", "1000", "f")
    holder.do("COMMIT;")
    assert waiter.answer() == []
    looker.expect("SELECT word FROM facts WHERE number = 5;", "word 5" + "!?" * n)
    assert counter.answer() == ["500"]
    said = listener.do("SELECT 1;")
    assert len(said) == 2 and said[1].startswith(f'Asynchronous notification "news" with payload "number {n}" received'), said
copier.ask("\\.")
copier.expect("SELECT count(*), sum(number) FROM copied;", f"{2 * len(rounds)}|{2 * sum(rounds)}")
writer.expect("COMMIT; SELECT count(*) FROM facts;", str(1000 + len(rounds)))
looker.expect(f"SELECT count(*) FROM facts;", str(1000 + len(rounds)))
for session in sessions:
    session.end()
reader.end()
