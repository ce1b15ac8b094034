load served

# Everything of PostgreSQL's is done as its user, and none of it lies in the path.
as_postgres()
{
	setpriv --reuid=postgres --regid=postgres --init-groups "$@"
}

setup_file()
{
	local all=(/usr/lib/postgresql/*/bin)

	export PGBIN=${all[-1]} CLUSTER=$BATS_FILE_TMPDIR/cluster
	[ -x "$PGBIN"/initdb ] || skip "there is no PostgreSQL"
	install -d -o postgres -g postgres -m 0700 "$CLUSTER"
	chmod 0755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR"
	(cd / && as_postgres "$PGBIN"/initdb -D "$CLUSTER" -A trust --no-sync --no-instructions) >/dev/null
	echo "host all all 10.99.0.0/24 trust" >>"$CLUSTER"/pg_hba.conf
	cat >>"$CLUSTER"/postgresql.conf <<-'SETTINGS'
		listen_addresses = '10.99.0.1'
		unix_socket_directories = ''
		shared_buffers = 16MB
		max_connections = 20
		autovacuum_naptime = 1s
		log_line_prefix = '%p '
	SETTINGS
}

# psql, or another of its clients, on the other side.
export PGHOST=10.99.0.1 PGUSER=postgres PGDATABASE=postgres

answers()
{
	there "$PGBIN"/pg_isready -q
}

start_postgres()
{
	net_begin
	cd /
	serve setpriv --reuid=postgres --regid=postgres --init-groups "$PGBIN"/postgres -D "$CLUSTER"
	until_true answers || fail "it does not answer"
}

eval "net_$(declare -f teardown)"

# When it is killed it leaves shared memory behind: System V's, and files.
teardown()
{
	local left

	left=$(for p in $(started); do grep -o '/dev/shm/PostgreSQL[^ ]*' /proc/"$p"/maps; done 2>/dev/null | sort -u)
	kill_all
	# shellcheck disable=SC2086 # a list of names
	rm -f $left
	[ ! -e "$CLUSTER"/postmaster.pid ] || ipcrm -m "$(awk 'NR == 7 { print $2 }' "$CLUSTER"/postmaster.pid)"
	net_teardown
}

counted()
{
	there psql -XAtq -c 'SELECT count(*), sum(delta) = (SELECT sum(abalance) FROM pgbench_accounts) FROM pgbench_history'
}

workers()
{
	pgrep -f -P "$PID" 'postgres: (checkpointer|background writer|walwriter|autovacuum launcher)'
}

@test "postgresql: transactions, cursors, prepared statements, notifications, and who waits for a lock" {
	start_postgres
	there "$PGBIN"/pgbench -q -i -s 1 >/dev/null 2>&1
	client sessions python3 "$BATS_TEST_DIRNAME"/postgresql_sessions.py
	workers=$(workers)
	# At SIGALRM it comes to its end, as if the time were over.
	client pgbench "$PGBIN"/pgbench -n -c 3 -j 1 -T 1000 -M prepared
	rounds
	ended sessions
	kill -ALRM "${CLIENT[pgbench]}"
	ended pgbench
	done=$(sed -n 's/^number of transactions actually processed: //p' "$TEST_DIR/pgbench")
	[ "$done" -gt 100 ] && grep -q '^number of failed transactions: 0 ' "$TEST_DIR/pgbench" || fail "$(cat "$TEST_DIR/pgbench")"
	[ "$(counted)" = "$done|t" ] || fail "pgbench has done $done, and there is $(counted)"
	[ "$(workers)" = "$workers" ]
	kill -INT "$PID"
	until_true is_gone
	tail -n 1 "$TEST_DIR"/err | grep -q 'database system is shut down' || fail "it does not end well"
	! grep -E 'ERROR|PANIC|terminated by signal' "$TEST_DIR"/err || fail "it complains"
}
