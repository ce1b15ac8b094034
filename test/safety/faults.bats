# Every step of a dump and of a restore fails in turn: the program is as it was, and nothing is left behind.

load ../lib

# The names in the table of steps; the last one of a dump ends the program.
steps_of()
{
	sed -n 's/^\t{ \.name = "\([^"]*\)".*/\1/p' "$1" | awk '!seen[$0]++' | grep -vx go
}

# What can be seen of a program from outside, but for what moves by itself.
snapshot()
{
	local task

	cat /proc/"$PID"/maps
	for task in /proc/"$PID"/task/*; do
		echo "${task##*/}"
		grep -E '^(Name|Umask|State|Tgid|TracerPid|[UG]id|Sig[PBIC]|Shd|Cap|NoNew|Seccomp)' "$task"/status | sed -E 's/^(State:\s+)[RSD] .*/\1runs/'
	done
	grep -r . /proc/"$PID"/fdinfo | grep -v '/pos:' | sort
	find /proc/"$PID"/fd -printf '%f %l\n' | sort
}

dump_with_fault()
{
	local said status=0

	said=$("$STASIS" dump -t "$PID" -D "$IMAGES" -o dump.log --inject-fault "$1" 3>&- 2>&1) || status=$?
	[ "$status" = 1 ] || fail "after '$1' the dump ended with $status"
	[ "$said" = "cannot dump $PID: a fault was asked for after the step '$1'" ] || fail "it said: $said"
	[ ! -e "$IMAGES"/inventory.img ] || fail "after '$1' the images look complete"
}

# A sleeping program, so that what is seen of its threads does not depend on the moment.
faults_in_dump()
{
	local before step

	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	sleep 0.2
	before=$(snapshot)
	while read -r step; do
		dump_with_fault "$step"
		sleep 0.02
		diff <(echo "$before") <(snapshot) || fail "something has changed after the step '$step'"
	done < <(steps_of dump/dump.c)
	# And it can still be saved for good.
	dump_and_restore
	check
}

@test "faults: each step of a dump, a program with threads" {
	start task/threads 20
	faults_in_dump
}

@test "faults: each step of a dump, a program with data in pipes" {
	start fd/pipe
	faults_in_dump
}

@test "faults: each step of a dump, shared memory between processes" {
	start mm/shmem
	faults_in_dump
}

@test "faults: each step of a restore leaves nothing behind" {
	[ -z "${PLAIN:-}" ] || skip "nothing is restored"
	start task/threads 20
	dump
	until_true is_gone
	ls -A "$TEST_DIR" >"$BATS_TEST_TMPDIR/before"
	while read -r step; do
		local said status=0
		said=$("$STASIS" restore -d -D "$IMAGES" -o restore.log --inject-fault "$step" 3>&- 2>&1) || status=$?
		[ "$status" = 1 ] || fail "after '$step' the restore ended with $status"
		[ "$said" = "cannot restore '$IMAGES': a fault was asked for after the step '$step'" ] || fail "it said: $said"
		nothing_left
		diff "$BATS_TEST_TMPDIR/before" <(ls -A "$TEST_DIR") || fail "something is left after the step '$step'"
	done < <(steps_of restore/restore.c)
	restore
	check
}
