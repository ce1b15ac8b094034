#!/usr/bin/env bash
# A Python program with threads, a child and an open file is saved, is gone, and carries on where it stopped.
set -eu
STASIS=${STASIS:-$(dirname "$0")/../stasis}
dir=$(mktemp -d /tmp/stasis-demo.XXXXXX)
mkdir "$dir/images"
pid=

cleanup()
{
	# shellcheck disable=SC2046 # a list of numbers
	[ -z "$pid" ] || kill -KILL "$pid" $(children) 2>/dev/null || true
	rm -rf "$dir"
}
trap cleanup EXIT

die() { echo "the demo failed: $*" >&2; exit 1; }
children() { cat "/proc/$pid/task/$pid/children" 2>/dev/null || true; }
lines() { wc -l <"$dir/log"; }
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
tree() { ps -o pid,nlwp,rss,etime,args --ppid "$pid" -p "$pid" --cols 100; }
last() { tail -n 1 "$dir/log"; }

# timed COMMAND...: leaves the milliseconds that it took in $took.
timed()
{
	local from
	from=$(date +%s%N)
	"$@"
	took=$((($(date +%s%N) - from) / 100000))
	took=$((took / 10)).$((took % 10))
}

wait_for() # COMMAND...: up to ten seconds
{
	for _ in $(seq 500); do
		if "$@"; then return 0; fi
		sleep 0.02
	done
	return 1
}
is_gone() { ! kill -0 "$pid" 2>/dev/null; }
has_lines() { [ -e "$dir/log" ] && [ "$(lines)" -ge "$1" ]; }

setsid python3 "$(dirname "$0")/demo.py" "$dir/log" </dev/null >"$dir/out" 2>&1 &
pid=$!
# Else the shell reports that it was killed, which is the point.
disown
wait_for has_lines 50 || die "the program does not start: $(cat "$dir/out")"

say "A Python program with three threads, a child and an open file is running:"
tree
last

say "stasis dump -t $pid -D images"
timed "$STASIS" dump -t "$pid" -D "$dir/images" -o dump.log
wait_for is_gone || die "pid $pid still runs"
saved=$(lines)
echo "saved in $took ms: $(du -sh "$dir/images" | cut -f1) of images; pid $pid is gone, the file ends with"
last

sleep 1
[ "$(lines)" = "$saved" ] || die "somebody still writes to the file"

say "stasis restore -D images -d"
timed "$STASIS" restore -D "$dir/images" -d -o restore.log
wait_for has_lines $((saved + 50)) || die "the program does not carry on"
echo "running again after $took ms; the same pids, and the next lines of the same file:"
tree
tail -n +$((saved + 1)) "$dir/log" | head -n 2
last

kill -TERM "$pid"
wait_for is_gone || die "the program does not end"
[ "$(cat "$dir/out")" = right ] || die "the program found: $(cat "$dir/out")"
say "Ended by itself: every line is there once, every thread's sum is right, the child has answered throughout."
pid=
