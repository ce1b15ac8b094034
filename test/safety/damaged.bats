# Every file of a dump is damaged in many ways: a restore works, or says one sentence and leaves nothing behind.
#
#     ROUNDS=100 SEED=7 make check T=safety/damaged      more of what is tried at random, and other damage

load ../lib

# damaged [OPTIONS]: of the program that was started, which is gone then.
damaged()
{
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	unshare --mount --pid --ipc --fork true 2>/dev/null || skip "no namespaces can be made here"
	dump "$@"
	until_true is_gone
	[ -z "${KEY:-}" ] || ipcrm -S "$KEY" -Q "$KEY" # they stay with the host
	# In the minutes to come the number may well become somebody else's, who is not to be killed at the end.
	# shellcheck disable=SC2034 # the teardown in ../lib.bash reads it
	PID=
	test/safety/apart.sh "$TEST_DIR" python3 test/safety/"${BY:-damage}".py --rounds "${ROUNDS:-1}" --seed "${SEED:-$RANDOM}" \
		"$STASIS" "$IMAGES" "$TEST_DIR" -- "$@" 3>&-
}

# What the first test does not have takes a minute each.
only_in_soak()
{
	[ -n "${SOAK:-}" ] || skip "make soak has the time for it"
}

@test "damaged: a tree with something of everything" {
	start safety/rich
	damaged
}

@test "damaged: terminals" {
	start fd/tty
	damaged
}

@test "damaged: files without a name and links to them" {
	only_in_soak
	start fd/remap
	damaged --link-remap
}

@test "damaged: filters and user ids" {
	only_in_soak
	start task/seccomp_filter
	damaged
}

@test "damaged: what watches and what is watched" {
	only_in_soak
	start fd/eventpoll
	damaged
}

@test "damaged: System V segments" {
	start mm/sysv
	damaged
}

@test "damaged: compressed pages" {
	start mm/compress
	damaged --compress=lz4
}

@test "damaged: pages that are stored once" {
	start mm/cow
	damaged --dedup-pages
}

@test "damaged: System V semaphores and message queues" {
	only_in_soak
	start task/sysvipc
	KEY=$((0x57a515 + PID))
	damaged
}

@test "hostile: descriptors on their way, circles of them" {
	start fd/unixsk_rights
	BY=hostile damaged
}

@test "hostile: epolls, and names" {
	start fd/eventpoll
	BY=hostile damaged
}
