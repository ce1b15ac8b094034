# Connections to a peer, which sends all the while and hears nothing of what happens here: each step of a dump and of a restore
# fails in turn, and both are killed at random moments.
load killed.bash
load ../net

fault()
{
	local said status=0

	said=$("$STASIS" "$1" -D "$IMAGES" -o log --tcp-established --inject-fault "${@:2}" 3>&- 2>&1) || status=$?
	[ "$status" = 1 ] || fail "with a fault after '$2' it ended with $status and said: $said"
	[[ $said = *"a fault was asked for "*" the step '$2'" ]] || fail "it said: $said"
}

@test "safety: connections, each step of a dump fails" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	net_begin
	start_tcp 1 10.99.0.1 7000 fd99::1 7001
	local step
	while read -r step; do
		fault dump "$step" -t "$PID"
		no_lock
		sleep 0.05
	done < <(steps_of dump/dump.c)
	check_tcp
}

@test "safety: connections, each step of a dump fails that leaves the program running" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	net_begin
	start_tcp 1 10.99.0.1 7000
	local step
	while read -r step; do
		fault dump "$step" -t "$PID" --leave-running
		no_lock
	done < <(steps_of dump/dump.c)
	dump --tcp-established --leave-running
	no_lock
	check_tcp
}

@test "safety: connections, each step of a restore fails" {
	[ -z "${PLAIN:-}" ] || skip "nothing is restored"
	net_begin
	start_tcp 1 10.99.0.1 7000 fd99::1 7001
	local step
	dump --tcp-established
	until_true is_gone
	while read -r step; do
		fault restore "$step"
		! runs "$PID" || fail "it runs"
		# What the dump has left stays, and nothing else.
		[ "$(here nft list ruleset | grep -c '^table')" = 1 ] || fail "$(here nft list ruleset)"
	done < <(steps_of restore/restore.c)
	restore --tcp-established
	no_lock
	check_tcp
}

@test "safety: connections, the dump is killed" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	net_begin
	start_tcp 1 10.99.0.1 7000
	local i who again=0
	measure --tcp-established
	for ((i = 0; i < ROUNDS; i++)); do
		who=$([ $((i % 2)) = 0 ] && echo child || echo command)
		killer "$who" "$(a_moment $i)" "$STASIS" dump -t "$PID" -D "$IMAGES" -o dump.log --tcp-established
		if runs "$PID"; then
			no_lock
			sleep 0.02
			continue
		fi
		again=$((again + 1))
		restore --tcp-established
		no_lock
	done
	[ "$again" -gt 0 ] || fail "it was never saved"
	check_tcp
}

@test "safety: connections, the restore is killed" {
	[ -z "${PLAIN:-}" ] || skip "nothing is restored"
	net_begin
	start_tcp 1 10.99.0.1 7000
	local i took killed=0
	dump --tcp-established
	until_true is_gone
	took=30000
	for ((i = 0; i < ROUNDS; i++)); do
		killer command $((RANDOM % took)) "$STASIS" restore -d -D "$IMAGES" -o restore.log --tcp-established
		if runs "$PID"; then
			took=$((took * 2 / 3))
			until_true no_lock
			sleep 0.02
			dump --tcp-established
			until_true is_gone
		elif [ "${said%% *}" = killed ]; then
			killed=$((killed + 1))
			took=$((took * 6 / 5))
		fi
	done
	[ "$killed" -gt $((ROUNDS / 8)) ] || fail "only $killed of $ROUNDS were killed in time"
	restore --tcp-established
	no_lock
	check_tcp
}

@test "safety: connections that nobody has accepted yet, the dump is killed" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	net_begin
	launch nsenter --net=/run/netns/"$HERE" "$BUILD/test/fd/tcp_waiting" 1 10.99.0.1
	VICTIM_RESULT=$TEST_DIR/peer there "$BUILD/test/fd/tcp_waiting" peer "$TEST_DIR/stop" 10.99.0.1 3>&- &
	wait_ready
	local i
	measure --tcp-established
	for ((i = 0; i < ROUNDS / 4; i++)); do
		killer "$([ $((i % 2)) = 0 ] && echo child || echo command)" "$(a_moment 1)" "$STASIS" dump -t "$PID" -D "$IMAGES" -R -o dump.log --tcp-established
		until_true no_lock
	done
	check_tcp
}
