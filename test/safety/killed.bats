# The dumper or the restorer is killed with SIGKILL at random moments. ROUNDS=... for more of them.
#
# Not tried: both processes of a dump killed at the same instant, which nobody is left to heal.

load ../lib
load safety

ROUNDS=${ROUNDS:-40}
# The leak sanitizer looks around from a child, and waits for ever when that is the one that is killed.
export ASAN_OPTIONS=detect_leaks=0

# A dump that nobody kills shows how long it takes, and when the runner is in there.
measure()
{
	local start=${EPOCHREALTIME/./} took

	"$STASIS" dump -t "$PID" -D "$IMAGES" -R -v4 -o dump.log "$@" 3>&- || fail "it does not work at all"
	took=$((${EPOCHREALTIME/./} - start))
	LONGEST=$((took * 6 / 5))
	INSIDE=$(sed -n "s/^(\([0-9]*\)\.\([0-9]*\)) step 'inside'.*/\1\2/p" "$IMAGES"/dump.log)
	INSIDE=$((10#$INSIDE + 3000))
}

# Every other one while the tree is stopped and asked.
a_moment()
{
	echo $(((RANDOM * 32768 + RANDOM) % ($1 % 2 ? LONGEST : INSIDE)))
}

files()
{
	find "$TEST_DIR" -path "$IMAGES" -prune -o ! -name 'killer.err' -print | sort
}

complete_or_refused()
{
	# Written when all is done, and not a part of the images.
	rm -f "$IMAGES"/stats-dump
	if [ -e "$IMAGES"/inventory.img ]; then
		"$STASIS" show "$IMAGES" >/dev/null || fail "$1: the images look complete, but they are not"
	else
		no_complete_dump
	fi
}

# rounds WHO [OPTIONS]: dumps that leave the program running.
rounds()
{
	local who=$1 before files i killed=0

	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	shift
	sleep 0.2
	before=$(snapshot)
	files=$(files)
	measure "$@"
	for ((i = 0; i < ROUNDS; i++)); do
		killer "$who" "$(a_moment $i)" "$STASIS" dump -t "$PID" -D "$IMAGES" -R -o dump.log "$@"
		[ "$said" = 0 ] || killed=$((killed + 1))
		unchanged "$before" "round $i, $who"
		complete_or_refused "round $i"
		diff <(echo "$files") <(files) || fail "round $i: files are left"
	done
	[ "$killed" -gt $((ROUNDS / 8)) ] || fail "only $killed of $ROUNDS were killed in time"
	rm -f "$IMAGES"/*
	[[ $* == *cow* ]] || dump_and_restore "$@"
	check
}

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

@test "killed: the process that dumps, while the tree runs on" {
	start safety/rich
	rounds child --freeze=cow
}

@test "killed: the guardian, while the tree runs on" {
	start safety/rich
	rounds command --freeze=cow
}

@test "killed: a hundred threads that run on" {
	start task/threads 100
	rounds child --freeze=cow
}

@test "killed: a process without any privilege that runs on" {
	start task/creds unprivileged
	rounds child --freeze=cow
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
