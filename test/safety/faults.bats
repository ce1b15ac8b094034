# Every step of a dump and of a restore fails in turn: the program is as it was, and nothing is left behind.

load ../lib
load safety

dump_with_fault()
{
	local said status=0 when=after

	[ "$1" != go ] || when=before
	said=$("$STASIS" dump -t "$PID" -D "$IMAGES" -o dump.log --inject-fault "$1" "${@:2}" 3>&- 2>&1) || status=$?
	[ "$status" = 1 ] || fail "$when '$1' the dump ended with $status"
	[ "$said" = "cannot dump $PID: a fault was asked for $when the step '$1'" ] || fail "it said: $said"
}

faults_in_dump()
{
	local before step files

	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	sleep 0.2
	before=$(snapshot)
	files=$(find "$TEST_DIR" -path "$IMAGES" -prune -o -print | sort)
	while read -r step; do
		dump_with_fault "$step" "$@"
		sleep 0.02
		unchanged "$before" "after the step '$step'"
		no_complete_dump
	done < <(steps_of dump/dump.c)
	diff <(echo "$files") <(find "$TEST_DIR" -path "$IMAGES" -prune -o -print | sort) || fail "files are left"
	# And it can still be saved for good.
	[ "${1:-}" = --leave-running ] || dump_and_restore "$@"
	check
}

@test "faults: each step of a dump, threads" {
	start task/threads 20
	faults_in_dump
}

@test "faults: each step of a dump, a tree with something of everything" {
	start safety/rich
	faults_in_dump
}

@test "faults: each step of a dump that goes on with the program running" {
	start safety/rich
	faults_in_dump --leave-running
}

@test "faults: each step of a dump, data in pipes" {
	start fd/pipe
	faults_in_dump
}

@test "faults: each step of a dump, shared memory between processes" {
	start mm/shmem
	faults_in_dump
}

@test "faults: each step of a dump, filters" {
	start task/seccomp_filter
	faults_in_dump
}

@test "faults: each step of a dump, links to files without a name" {
	start fd/remap
	faults_in_dump --link-remap
}

@test "faults: each step of a dump, watches" {
	start fd/many watches
	faults_in_dump
}

@test "faults: each step of a dump, files and descriptors of processes" {
	start fd/procfile
	faults_in_dump
}

@test "faults: each step of a dump, a stopped program" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start task/rounds 0
	kill -STOP "$PID"
	until_true grep -q '^State:.T' "/proc/$PID/status"
	local step
	while read -r step; do
		dump_with_fault "$step"
		until_true grep -q '^State:.T' "/proc/$PID/status" || fail "after '$step' it runs"
	done < <(steps_of dump/dump.c)
	kill -CONT "$PID"
	check
}

# Without those of other tests, which may run at the same time.
mounts()
{
	awk -v own="$TEST_DIR" '$2 !~ "^/(tmp|run/netns)/" || index($2, own)' /proc/self/mounts
}

faults_in_restore()
{
	local step before when

	[ -z "${PLAIN:-}" ] || skip "nothing is restored"
	dump "$@"
	until_true is_gone
	before=$(find "$TEST_DIR" -newermt 2000-01-01 ! -name '*.log' | sort; mounts)
	while read -r step; do
		when=after
		[ "$step" != go ] || when=before
		killer nobody 0 "$STASIS" restore -d -D "$IMAGES" -o restore.log --inject-fault "$step" \
			--pidfile "$TEST_DIR"/pid "$@"
		[ "$said" = 1 ] || fail "after '$step' the restore ended with $said"
		diff <(echo "cannot restore '$IMAGES': a fault was asked for $when the step '$step'") \
			"$TEST_DIR"/killer.err || fail "it said something else"
		rm "$TEST_DIR"/killer.err
		nothing_left
		diff <(echo "$before") <(find "$TEST_DIR" -newermt 2000-01-01 ! -name '*.log' | sort; mounts) ||
			fail "something is left after the step '$step'"
	done < <(steps_of restore/restore.c)
	restore "$@"
	check
}

@test "faults: each step of a restore, threads" {
	start task/threads 20
	faults_in_restore
}

@test "faults: each step of a restore, a tree with something of everything" {
	start safety/rich
	faults_in_restore
}

@test "faults: each step of a restore, links to files without a name" {
	start fd/remap
	faults_in_restore --link-remap
}

@test "faults: each step of a restore, watches" {
	start fd/inotify
	faults_in_restore
}

@test "faults: each step of a restore, files and descriptors of processes, of the dead ones, too" {
	start fd/procfile
	faults_in_restore
}

@test "faults: each step of a restore, pidfds" {
	start fd/pidfd
	faults_in_restore
}

@test "faults: a pid that is in use" {
	[ -z "${PLAIN:-}" ] || skip "nothing is restored"
	start safety/rich
	dump --leave-running
	killer nobody 0 "$STASIS" restore -d -D "$IMAGES"
	[ "$said" = 1 ]
	diff <(echo "cannot restore '$IMAGES': pid $PID, which the tree needs, is in use by pid $PID ('rich');" \
		"end that process, or restore in a pid namespace") "$TEST_DIR"/killer.err
	check
}
