# Who brings pages is killed, or cannot bring them: nobody is given zeros.

load ../lazy

saved_and_back()
{
	start mm/lazy "$@"
	dump
	until_true is_gone
	restore --lazy
}

@test "lazy: whoever brings pages is killed again and again, and another one goes on" {
	saved_and_back 96
	touch "$TEST_DIR/go.1"
	local all killed=0 tries

	for ((tries = 0; tries < 100; tries++)); do
		all=$(servers)
		[ -n "$all" ] || break
		# One of the two, when there are two: not both in the same moment.
		# shellcheck disable=SC2086
		[ "$(wc -w <<<"$all")" != 2 ] || { kill -KILL "$(shuf -n1 -e $all)" && killed=$((killed + 1)); }
		sleep 0.02
	done
	[ "$killed" -gt 0 ] || fail "nobody was killed"
	check
	until_true all_there || fail "still there: $(servers)"
}

@test "lazy: when both are killed in one moment the program is ended, and has not seen a zero" {
	local all

	for _ in 1 2 3; do
		saved_and_back 256
		touch "$TEST_DIR/go.1"
		sleep "0.0$((RANDOM % 10))"
		all=$(servers)
		# shellcheck disable=SC2086
		[ -z "$all" ] || kill -KILL $all
		until_true is_gone || fail "the program still runs"
		[ ! -s "$TEST_DIR/result" ] || [ "$(cat "$TEST_DIR/result")" = ok ] ||
			fail "$(cat "$TEST_DIR/result")"
		rm -f "$TEST_DIR"/{result,go.1,ready.1}
	done
}

# The third page, and so what is beside it.
flip()
{
	local byte

	byte=$(od -An -tu1 -j "$2" -N1 "$1")
	# shellcheck disable=SC2059 # a format is what is made here
	printf "\\x$(printf %x $((byte ^ 16)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

is_stopped()
{
	grep -q '^State:.T' /proc/"$PID"/status
}

# damaged ARGUMENTS: restored from images in which a page is not what it was.
damaged()
{
	start mm/lazy "$@"
	dump --freeze=stop
	until_true is_gone
	flip "$IMAGES"/pages-1.img 20000000
	restore --lazy
	touch "$TEST_DIR/go.1"
}

log_says()
{
	grep -Eq "pid $PID $1 until what it has at [0-9a-f]* can be had: 'pages-1.img' is damaged at offset 19988480: the 32768 bytes from there are not those that were written" \
		"$IMAGES"/restore.log
}

@test "lazy: a damaged page is found late: the program is stopped, and goes on when it is whole again" {
	damaged 64 idle
	until_true is_stopped || fail "it was not stopped"
	log_says 'is stopped' || fail "the log does not say it"
	flip "$IMAGES"/pages-1.img 20000000
	check
	until_true all_there || fail "still there: $(servers)"
}

@test "lazy: the same for threads, children and system calls" {
	damaged 64
	until_true log_says '(is stopped|waits)' || fail "the log does not say it"
	sleep 1.2
	[ ! -s "$TEST_DIR/result" ] || fail "$(cat "$TEST_DIR/result")"
	flip "$IMAGES"/pages-1.img 20000000
	check
	until_true all_there || fail "still there: $(servers)"
}
