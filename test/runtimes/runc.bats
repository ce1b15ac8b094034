# runc as Debian has it, with stasis under the name criu.
load ../lib
load sandbox
load runc.bash

run_counter()
{
	bundle /count
	runc_ run -d -b "$TEST_DIR/bundle" c1
	until_true counts "$ROOT" || fail "it does not count"
}

status()
{
	inside runc --root /run/runc state c1 | sed -n 's/.*"status": "\(.*\)".*/\1/p'
}

checkpoint()
{
	runc_ checkpoint --image-path "$TEST_DIR/image" --work-path "$TEST_DIR/work" "$@" c1
}

restore()
{
	runc_ restore -d -b "$TEST_DIR/bundle" --image-path "$TEST_DIR/image" --work-path "$TEST_DIR/work" "$@" c1
	[ "$(status)" = running ] || fail "it is $(status)"
}

# checks: it goes on from where it was. A container that began anew would have counted less.
goes_on()
{
	until_true counts "$ROOT" || fail "it does not count on from $COUNT"
}

end()
{
	runc_ kill c1 KILL
}

@test "runc: checkpoint and restore, three times" {
	local i

	run_counter
	for i in 1 2 3; do
		checkpoint
		COUNT=$(cat "$ROOT/tmp/count")
		restore
		goes_on
		mv "$TEST_DIR/image" "$TEST_DIR/image.$i"
	done
	end
}

@test "runc: checkpoint and leave it running" {
	run_counter
	checkpoint --leave-running
	COUNT=$(cat "$ROOT/tmp/count")
	goes_on
	[ "$(status)" = running ]
	end
}

@test "runc: a pre-dump, and a checkpoint that stands on it" {
	run_counter
	runc_ checkpoint --pre-dump --image-path "$TEST_DIR/before" --work-path "$TEST_DIR/work" c1
	checkpoint --parent-path ../before
	COUNT=$(cat "$ROOT/tmp/count")
	restore
	goes_on
	end
}

# What runc says of a failure is only where the log is.
refuses()
{
	inside runc --root /run/runc checkpoint --image-path "$TEST_DIR/image" --work-path "$TEST_DIR/work" "${@:2}" c1 \
		</dev/null >"$TEST_DIR/said" 2>&1 3>&- && fail "it was not refused"
	grep -q "log file: $TEST_DIR/work/dump.log" "$TEST_DIR/said" || fail "$(cat "$TEST_DIR/said")"
	grep -q "Error .*$1" "$TEST_DIR/work/dump.log" || fail "$(cat "$TEST_DIR/work/dump.log")"
	rm -rf "$TEST_DIR/image"
	COUNT=$(cat "$ROOT/tmp/count")
	goes_on
}

@test "runc: connections and locks, which it has to be told to carry" {
	local lock

	lock=$(command -v flock)
	bundle sh -c "nc -l -p 5000 -e cat & sleep 0.3; (while true; do echo line; sleep 0.05; done) | nc 127.0.0.1 5000 >/tmp/echoed &
		$lock /tmp/lock sleep 1000 & exec /count"
	program "$ROOT" "$lock"
	runc_ run -d -b "$TEST_DIR/bundle" c1
	until_true counts "$ROOT" || fail "it does not count"
	until_true grep -q line "$ROOT/tmp/echoed" 2>/dev/null || fail "there is no connection"
	until_true is_locked || fail "there is no lock"
	refuses --file-locks --tcp-established
	refuses --tcp-established --file-locks
	checkpoint --tcp-established --file-locks
	COUNT=$(cat "$ROOT/tmp/count")
	LINES=$(wc -l <"$ROOT/tmp/echoed")
	restore --tcp-established --file-locks
	goes_on
	until_true more_lines || fail "the connection does not go on"
	is_locked || fail "the lock is gone"
	end
}

@test "runc: a process that was executed into the container is not its first one's child, and not forgotten" {
	run_counter
	runc_ exec -d c1 sleep 1000
	refuses 'lives there, too, and is not a descendant of it'
	end
}

is_locked()
{
	! flock -n "$ROOT/tmp/lock" true
}

more_lines()
{
	[ "$(wc -l <"$ROOT/tmp/echoed")" -gt "$((LINES + 2))" ]
}

@test "runc: a terminal, of which its manager gets the new master" {
	# shellcheck disable=SC2016 # for the inner shell
	bundle sh -c 'while read line; do echo "got $line"; done'
	sed -i 's/"terminal": false/"terminal": true/' "$TEST_DIR/bundle/config.json"
	(close_inherited; exec python3 test/runtimes/console.py "$TEST_DIR/console" "$TEST_DIR/talk") </dev/null >"$TEST_DIR/console.log" 2>&1 &
	until_true test -S "$TEST_DIR/console"
	runc_ run -d -b "$TEST_DIR/bundle" --console-socket "$TEST_DIR/console" c1
	until_true test -e "$TEST_DIR/talk.1" || fail "it says nothing"
	checkpoint
	restore --console-socket "$TEST_DIR/console"
	until_true test -e "$TEST_DIR/talk.2" || fail "it says nothing any more: $(cat "$TEST_DIR/console.log")"
	end
}
