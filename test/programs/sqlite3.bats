load rounds

sql=$BATS_TEST_DIRNAME/transaction.sql

# sqlite JOURNAL DATABASE [COMMAND...]: the transaction, started in the way of COMMAND.
sqlite()
{
	sqlite3 "$2" "PRAGMA journal_mode = $1" >/dev/null
	"${@:3}" sqlite3 "$2" ".read $sql"
}

contents()
{
	sqlite3 "$1" .dump | sha256sum
}

undisturbed()
{
	touch "$TEST_DIR/go.1"
	VICTIM_READY=$TEST_DIR/other VICTIM_GO=$TEST_DIR/go sqlite "$1" "$TEST_DIR/undisturbed.db" >"$TEST_DIR/undisturbed"
	rm "$TEST_DIR/go.1"
}

# in_transaction JOURNAL WHAT-A-READER-SEES
in_transaction()
{
	undisturbed "$1"
	sqlite "$1" "$TEST_DIR/disturbed.db" start_program
	dump_and_restore --file-locks
	run sqlite3 "$TEST_DIR/disturbed.db" 'SELECT count(*) FROM words'
	[[ $output = *"$2"* ]] || fail "a reader sees: $output"
	run sqlite3 "$TEST_DIR/disturbed.db" 'BEGIN IMMEDIATE'
	[[ $output = *"database is locked"* ]] || fail "a writer sees: $output"
	touch "$TEST_DIR/go.1"
	until_true is_gone
	diff "$TEST_DIR/undisturbed" "$TEST_DIR/out"
	head -n 1 "$TEST_DIR/out" | grep -qx ok
	[ "$(contents "$TEST_DIR/undisturbed.db")" = "$(contents "$TEST_DIR/disturbed.db")" ]
	[ "$(sqlite3 "$TEST_DIR/disturbed.db" 'PRAGMA integrity_check')" = ok ]
}

@test "sqlite3: in the middle of a transaction, with a rollback journal" {
	in_transaction delete "database is locked"
}

@test "sqlite3: in the middle of a transaction, with a write-ahead log" {
	in_transaction wal 3000
}

# One of the two is in the middle of a transaction.
between()
{
	run sqlite3 "$TEST_DIR/result.db" 'BEGIN IMMEDIATE'
	[[ $output = *"database is locked"* ]] || fail "a writer sees: $output"
}

@test "sqlite3: two processes that write into a write-ahead log, and two that read" {
	start_program python3 "$BATS_TEST_DIRNAME/wal.py" "$ROUNDS"
	in_rounds --file-locks
	nothing_left
}
