# The dumper or the restorer is killed with SIGKILL at random moments.
load killed.bash

@test "killed: the process that dumps, a tree with something of everything" {
	start safety/rich
	rounds child
}

@test "killed: the guardian, a tree with something of everything" {
	start safety/rich
	rounds command
}

@test "killed: the process that dumps, a hundred threads" {
	start task/threads 100
	rounds child
}

@test "killed: the guardian, a hundred threads" {
	start task/threads 100
	rounds command
}

@test "killed: the process that dumps, filters" {
	start task/seccomp_filter
	rounds child
}

@test "killed: no link to a file without a name is left" {
	start fd/remap
	rounds child --link-remap
}

# A dump that ends the program: either it is as it was, or it can be restored.
@test "killed: the program is there, or else its images are" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	local before i who again=0
	start safety/rich
	sleep 0.2
	measure
	before=$(snapshot)
	for ((i = 0; i < ROUNDS; i++)); do
		who=$([ $((i / 2 % 2)) = 0 ] && echo child || echo command)
		killer "$who" "$(a_moment $i)" "$STASIS" dump -t "$PID" -D "$IMAGES" -o dump.log
		if runs "$PID"; then
			unchanged "$before" "round $i, $who"
			continue
		fi
		until_true is_gone
		again=$((again + 1))
		restore
		sleep 0.1
		before=$(snapshot)
	done
	[ "$again" -gt 0 ] || fail "it was never saved"
	check
}

# What of the tree is the same after every restore.
shape()
{
	snapshot | sed -E 's/(pipe|socket|anon_inode|mnt):\[[0-9]+\]/\1/; /^(ino|FDSize):/d; s/#[0-9]+//; s/^(([^ ]+ ){4})[0-9]+/\1/'
}

# All of the tree is there, or nothing; and if nothing, then it can be tried again.
restorer_rounds()
{
	local i start took shape moment killed=0

	[ -z "${PLAIN:-}" ] || skip "nothing is restored"
	dump "$@"
	until_true is_gone
	start=${EPOCHREALTIME/./}
	restore "$@"
	took=$((${EPOCHREALTIME/./} - start))
	sleep 0.1
	shape=$(shape)
	dump "$@"
	until_true is_gone
	for ((i = 0; i < ROUNDS; i++)); do
		# Every other one near the end, where the tasks are let go: that is found by trying.
		moment=$(((RANDOM * 32768 + RANDOM) % took))
		[ $((i % 2)) = 0 ] || moment=$((took - moment / 4))
		killer command $moment "$STASIS" restore -d -D "$IMAGES" -o restore.log "$@"
		if [ "$said" = killed ]; then
			killed=$((killed + 1))
			took=$((took * 6 / 5))
			nothing_left
			continue
		fi
		took=$((took * 2 / 3))
		sleep 0.1
		diff <(echo "$shape") <(shape) || fail "round $i: the tree is not complete; ${said//$'\n'/ }"
		dump "$@"
		until_true is_gone
	done
	[ "$killed" -gt $((ROUNDS / 8)) ] || fail "only $killed of $ROUNDS were killed in time"
	restore "$@"
	check
}

@test "killed: the restorer, many threads" {
	start task/threads 20
	restorer_rounds
}

@test "killed: the restorer, a tree with something of everything" {
	start safety/rich
	restorer_rounds
}

@test "killed: the restorer, and no link to a file without a name is lost" {
	start fd/remap
	restorer_rounds --link-remap
}

# Files without a name have one for a moment, while they are made.
@test "killed: the restorer, and nothing that had no name is left with one" {
	[ -z "${PLAIN:-}" ] || skip "nothing is restored"
	local i files made killed=0

	start fd/ghost
	dump
	until_true is_gone
	restore
	made=$(sed -n "s/^(\([0-9]*\)\.\([0-9]*\)) step 'make'.*/\1\2/p" "$IMAGES"/restore.log)
	made=$((10#$made + 3000))
	dump
	until_true is_gone
	files=$(files)
	for ((i = 0; i < 2 * ROUNDS; i++)); do
		killer command $((RANDOM % made)) "$STASIS" restore -d -D "$IMAGES" -o restore.log
		if [ "$said" = killed ]; then
			killed=$((killed + 1))
		else
			dump
			until_true is_gone
		fi
		diff <(echo "$files") <(files) || fail "round $i: files are left"
	done
	[ "$killed" -gt $((ROUNDS / 8)) ] || fail "only $killed were killed in time"
	restore
	check
}
