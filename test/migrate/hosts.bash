# Two hosts: pid, mount, UTS and network namespaces of their own, a wire between them, and their own records of migrations. Files are
# the machine's unless a test gives a host its own tree. Load it behind lib.

# shellcheck disable=SC2034,SC2154,SC2016 # for the tests; by way of eval; by the inner shell

eval "lib_$(declare -f teardown)"

teardown()
{
	kill_all
	lib_teardown
}

# host_begin NAME: its first process, which reaps what is left to it.
host_begin()
{
	local state=$TEST_DIR/state.$1

	mkdir -p "$state"
	{
		close_inherited
		exec unshare --pid --fork --kill-child --mount --uts --net --mount-proc -- sh -c '
			hostname "$1"; mount -t tmpfs none /run/stasis 2>/dev/null; ip link set lo up
			echo 100000 >/proc/sys/kernel/pid_max 2>/dev/null
			echo $((20000 + $$ % 100 * 50 + $4)) >/proc/sys/kernel/ns_last_pid
			touch "$2/up"; exec "$3" sleep infinity' \
			sh "$1" "$state" "$BUILD/test/lib/reaper" "$([ "$1" = a ] && echo 0 || echo 5000)"
	} </dev/null >>"$TEST_DIR/host.$1.out" 2>&1 &
	until_true test -e "$state/up" || fail "host $1 does not come up: $(cat "$TEST_DIR/host.$1.out")"
	until_true has_init $! || fail "host $1 has no first process"
	eval "HOST_$1=$INIT"
}

has_init()
{
	INIT=$(cat /proc/"$1"/task/*/children 2>/dev/null)
	INIT=${INIT%% *}
	[ -n "$INIT" ] && grep -q reaper /proc/"$INIT"/cmdline
}

# on a COMMAND...: on that host.
on()
{
	local host=HOST_$1 name=$1

	shift
	XDG_STATE_HOME=$TEST_DIR/state.$name nsenter -t "${!host}" -p -m -u -n -- "$@"
}

hosts_begin()
{
	host_begin a
	host_begin b
	ip link add wire netns /proc/"$HOST_a"/ns/net type veth peer name wire netns /proc/"$HOST_b"/ns/net ||
		skip "this kernel has no veth"
	on a ip address add 10.98.0.1/24 dev wire
	on b ip address add 10.98.0.2/24 dev wire
	on a ip link set wire up
	on b ip link set wire up
	for name in a b; do
		link_begin "$name"
	done
}

# What 'ssh' is here: "to-b HOST COMMAND..." asks the one who listens on b.
link_begin()
{
	{
		close_inherited
		on "$1" "$BATS_TEST_DIRNAME/link.py" serve "$TEST_DIR/link.$1"
	} </dev/null >>"$TEST_DIR/link.$1.out" 2>&1 &
	link_script "$1"
	until_true test -S "$TEST_DIR/link.$1" || fail "no link to $1: $(cat "$TEST_DIR/link.$1.out")"
}

link_script()
{
	printf '#!/bin/sh\nexec "%s" connect "%s" "$@"\n' "$BATS_TEST_DIRNAME/link.py" "$TEST_DIR/link.$1" >"$TEST_DIR/to-$1"
	chmod 0755 "$TEST_DIR/to-$1"
}

# start_on a PROGRAM [ARGUMENTS]: as start does; PID is its number there.
start_on()
{
	local name=$1 program=$2

	shift 2
	launch_on "$name" "$BUILD/test/$program" "$@"
	wait_ready_on "$name"
}

launch_on()
{
	local name=$1

	shift
	rm -f "$TEST_DIR/pid"
	{
		close_inherited
		export VICTIM_READY=$TEST_DIR/ready VICTIM_GO=$TEST_DIR/go VICTIM_RESULT=$TEST_DIR/result
		# shellcheck disable=SC2016
		on "$name" setsid sh -c 'echo $$ >"$TEST_DIR/pid.new"; mv "$TEST_DIR/pid.new" "$TEST_DIR/pid"; exec "$@"' sh "$@"
	} </dev/null >>"$TEST_DIR/out" 2>>"$TEST_DIR/err" &
	until_true test -e "$TEST_DIR/pid"
	PID=$(cat "$TEST_DIR/pid")
}

wait_ready_on()
{
	until_true is_ready_on "$1" || fail "the program is not ready in time"
	[ -e "$TEST_DIR/ready.$ROUND" ] && return 0
	skip_if_it_says_so
	fail "the program ended before it was ready: $(cat "$TEST_DIR/result" 2>&1)"
}

is_ready_on()
{
	[ -e "$TEST_DIR/ready.$ROUND" ] || [ -e "$TEST_DIR/result" ] || is_not_on "$1"
}

# runs_on a: the program is there, and does not stand still.
runs_on()
{
	case $(on "$1" sed -n 's/^State:.\(.\).*/\1/p' /proc/"$PID"/status 2>/dev/null) in
	'' | Z | X | T | t) return 1 ;;
	esac
}

is_on()
{
	on "$1" test -e /proc/"$PID"/status && ! on "$1" grep -q '^State:.[ZX]' /proc/"$PID"/status
}

is_not_on()
{
	! is_on "$1"
}

# move a b [OPTIONS]: has nothing to say but what came of it.
move()
{
	local from=$1 to=$2

	shift 2
	on "$from" "$STASIS" migrate "$PID" "$to" -e "$TEST_DIR/to-$to" --remote-program "$STASIS" --timeout "$TIMEOUT" \
		-o "$TEST_DIR/migrate.log" -v4 --remote-option=--log-file="$TEST_DIR/receive.log" --remote-option=-v4 "$@" 3>&-
}

moved()
{
	SAID=$(move "$@" 2>&1) || fail "it did not move: $SAID"
	[[ $SAID = *"moved to $2: "* ]] || fail "it said: $SAID"
	is_not_on "$1" || fail "it is on $1 as well"
	is_on "$2" || fail "it is not on $2: $(cat "$TEST_DIR/result" 2>&1)"
}

# go_on b: as go does.
go_on()
{
	touch "$TEST_DIR/go.$ROUND"
	ROUND=$((ROUND + 1))
	wait_ready_on "$1"
}

has_result_on()
{
	[ -s "$TEST_DIR/result" ] || is_not_on "$1"
}

# check_on b: the program looks at itself there, and all of it is as it was.
check_on()
{
	touch "$TEST_DIR/go.$ROUND"
	until_true has_result_on "$1" || fail "the program does not answer"
	until_true is_not_on "$1" || fail "it has answered, but does not end"
	[ "$(cat "$TEST_DIR/result")" = ok ] || fail "$(cat "$TEST_DIR/result")"
}

# nothing_left_on NAME...: nobody but the first processes.
nothing_left_on()
{
	local name left

	for name in "$@"; do
		left=$(on "$name" ps -eo pid=,args= | grep -vE "link.py serve|reaper|sleep infinity|ps -eo|defunct" || true)
		[ -z "$left" ] || fail "still on $name: $left"
	done
}

eval "lib_$(declare -f show_logs)"

show_logs()
{
	local f

	lib_show_logs
	for f in "$TEST_DIR"/{migrate,receive}.log; do
		[ -s "$f" ] || continue
		echo "--- the end of ${f#"$TEST_DIR"/}"
		tail -n 40 "$f"
	done
}
