# The harness of the tests: starts a program that checks itself (test/lib/victim.h), saves and restores
# it, and tells it to look. Everything a test starts carries TEST_DIR in its environment, so that the
# end of the test finds all of it, whatever became of parents and sessions.

: "${STASIS:=$PWD/stasis}" "${BUILD:=$PWD/build}"

# How long anything may take, in hundredths of a second.
PATIENCE=${PATIENCE:-3000}

setup()
{
	TEST_DIR=$(mktemp -d /tmp/stasis-test.XXXXXX)
	chmod 0777 "$TEST_DIR"
	export TEST_DIR
	ROUND=1
	PID=
	umask 022
	next_images "$ROUND"
}

teardown()
{
	# A test that is left out before setup() has nothing to be cleared away, and no name by which to find it.
	[ -n "${TEST_DIR:-}" ] || return 0
	kill_all
	rm -f "/run/stasis/tracking-$PID"
	if [ -z "${BATS_TEST_COMPLETED:-}" ] && [ -z "${BATS_TEST_SKIPPED:-}" ]; then
		show_logs
	fi
	rm -rf "$TEST_DIR"
}

show_logs()
{
	local f

	for f in "$TEST_DIR"/out "$TEST_DIR"/err "$TEST_DIR"/images.*/{dump,restore}.log; do
		[ -s "$f" ] || continue
		echo "--- the end of ${f#"$TEST_DIR"/}"
		tail -n 40 "$f"
	done
}

# The number of the program, while it is the program that has it: one that is gone may have lost it to a stranger.
still_ours()
{
	[ -n "$PID" ] || return 0
	if grep -qzsF "TEST_DIR=$TEST_DIR" /proc/"$PID"/environ; then
		echo "$PID"
		return
	fi
	# One that has written over its environment.
	case $(readlink /proc/"$PID"/exe) in "$BUILD"/test/*) echo "$PID" ;; esac
}

# The pids of all that this test has started, and their children.
started()
{
	local all more p

	all=$(env -u TEST_DIR grep -lzsF "TEST_DIR=$TEST_DIR" /proc/[0-9]*/environ | cut -d/ -f3)
	all="$all $(still_ours)"
	more=$all
	while [ -n "${more// /}" ]; do
		more=$(for p in $more; do cat /proc/"$p"/task/*/children 2>/dev/null; done)
		all="$all $more"
	done
	# shellcheck disable=SC2086 # a list of numbers
	printf '%s\n' $all | sort -un
}

kill_all()
{
	local pids tries=0

	while pids=$(started) && [ -n "$pids" ] && [ $((tries++)) -lt 5 ]; do
		# shellcheck disable=SC2086
		kill -KILL $pids 2>/dev/null || break
		sleep 0.01
	done
}

fail()
{
	echo "$*"
	return 1
}

# True until the process is gone. A zombie is gone, unless it is a first thread whom others have outlived.
runs()
{
	local stat

	{ read -r stat </proc/"$1"/stat; } 2>/dev/null || return 1
	read -r -a stat <<<"${stat##*) }"
	case ${stat[0]} in
	Z) [ "${stat[17]}" -gt 1 ] ;;
	X) return 1 ;;
	esac
}

# until_true COMMAND...: looks every hundredth of a second, and gives up after PATIENCE.
until_true()
{
	local i

	for ((i = 0; i < PATIENCE; i++)); do
		"$@" && return 0
		sleep 0.01
	done
	return 1
}

# Descriptors that bats, make and others before them have left open would be pipes to the outside.
close_inherited()
{
	local fd

	for fd in /proc/"$BASHPID"/fd/*; do
		fd=${fd##*/}
		[ "$fd" -le 2 ] || eval "exec $fd>&-"
	done
}

# launch COMMAND...: any program, in a session of its own, with no terminal and no pipe of ours.
launch()
{
	{
		close_inherited
		export VICTIM_READY=$TEST_DIR/ready VICTIM_GO=$TEST_DIR/go VICTIM_RESULT=$TEST_DIR/result
		exec setsid "$@"
	} </dev/null >>"$TEST_DIR/out" 2>>"$TEST_DIR/err" &
	PID=$!
}

# start fd/timerfd [ARGUMENTS]: a program of ours, until it is set up.
start()
{
	local program=$1

	shift
	launch "$BUILD/test/$program" "$@"
	wait_ready
}

# start_program python3 FILE [ARGUMENTS]: likewise one that is installed, and speaks as victim.h does.
start_program()
{
	launch "$@"
	wait_ready
}

is_ready_or_over()
{
	[ -e "$TEST_DIR/ready.$ROUND" ] || [ -e "$TEST_DIR/result" ] || ! runs "$PID"
}

wait_ready()
{
	until_true is_ready_or_over || fail "the program is not ready in time"
	[ -e "$TEST_DIR/ready.$ROUND" ] && return 0
	skip_if_it_says_so
	fail "the program ended before it was ready: $(cat "$TEST_DIR/result" 2>&1)"
}

skip_if_it_says_so()
{
	local said

	said=$(cat "$TEST_DIR/result" 2>/dev/null) || return 0
	[ "${said#SKIP }" = "$said" ] || skip "${said#SKIP }"
}

# skip_unless FEATURE: as 'stasis check' names it.
skip_unless()
{
	"$STASIS" check --feature "$1" >/dev/null 2>&1 || skip "this kernel has no $1"
}

# skip_if_emulated: it would take minutes; see test/vm.
skip_if_emulated()
{
	[ -z "${EMULATED:-}" ] || skip "takes too long where the processor is emulated"
}

# next_images: the following dump goes into a new directory.
next_images()
{
	IMAGES=$TEST_DIR/images.$1
	mkdir -p "$IMAGES"
}

# quietly COMMAND...: it must succeed and, having nothing to say, say nothing.
quietly()
{
	# PLAIN=1 shows that the programs themselves are right: nothing is saved, nothing restored.
	[ -z "${PLAIN:-}" ] || return 0
	local said status=0

	said=$("$@" 3>&- 2>&1) || status=$?
	[ "$status" = 0 ] && [ -z "$said" ] && return 0
	fail "'${*:1:2}' ended with $status and said: $said"
}

# Linux 6.18 with sched_autogroup_enabled leaves threads that could run without a processor for up to 12 s, with no more than
# two of our programs at work (seen with plain programs, and gone without autogroups). So all get more than the usual time.
TIMEOUT=60

dump()
{
	quietly "$STASIS" dump -t "$PID" -D "$IMAGES" -v4 -o dump.log --timeout "$TIMEOUT" "$@"
}

# A number of the tree, or of a terminal, has been given to somebody outside of this test while it was free.
taken_by_a_stranger()
{
	local pid

	[[ $1 != *"the pseudo-terminal "*" is in use on this machine"* ]] || return 0
	[[ $1 =~ (is in use by pid |create thread )([0-9]+) ]] || return 1
	pid=${BASH_REMATCH[2]}
	! started | grep -qx "$pid"
}

restore()
{
	local said tries

	for ((tries = 0; tries < 100; tries++)); do
		# shellcheck disable=SC2086 # RESTORE_WITH=--lazy make check: whatever is restored
		said=$(quietly "$STASIS" restore -d -D "$IMAGES" -v4 -o restore.log ${RESTORE_WITH:-} "$@") && return 0
		taken_by_a_stranger "$said" || break
		sleep 0.1
	done
	fail "$said"
}

is_gone()
{
	! runs "$PID"
}

# carry_over: saved, gone, started again; a program with little left to do may be done by now. What is tracked is so up to the
# dump; a test that wants it from the restore on says so there.
carry_over()
{
	local option for_restore=()

	[ -z "${PLAIN:-}" ] || return 0
	dump "$@"
	until_true is_gone || fail "pid $PID still runs after the dump"
	for option in "$@"; do
		[ "$option" = --track-mem ] || for_restore+=("$option")
	done
	restore "${for_restore[@]}"
}

dump_and_restore()
{
	[ -z "${PLAIN:-}" ] || return 0
	carry_over "$@"
	runs "$PID" || fail "pid $PID does not run after the restore: $(cat "$TEST_DIR/result" 2>&1)"
}

# go: a program with several rounds carries on to its next victim_ready().
go()
{
	touch "$TEST_DIR/go.$ROUND"
	ROUND=$((ROUND + 1))
	wait_ready
	next_images "$ROUND"
}

has_result()
{
	[ -s "$TEST_DIR/result" ] || ! runs "$PID"
}

# check: the program looks at itself, and all of it must be as it was.
check()
{
	local said

	touch "$TEST_DIR/go.$ROUND"
	until_true has_result || fail "the program does not answer; it is in $(cat /proc/"$PID"/syscall)"
	until_true is_gone || fail "the program has answered, but it does not end"
	skip_if_it_says_so
	said=$(cat "$TEST_DIR/result" 2>&1) || true
	[ "$said" = ok ] || fail "$said"
}

# refuse SENTENCE [OPTIONS]: the dump says exactly this and leaves the program as it was.
refuse()
{
	local sentence=$1 said status=0

	[ -z "${PLAIN:-}" ] || skip "nothing to refuse"
	shift
	said=$("$STASIS" dump -t "$PID" -D "$IMAGES" -v4 -o dump.log "$@" 3>&- 2>&1) || status=$?
	[ "$status" = 1 ] || fail "the dump ended with $status and said: $said"
	[ "$said" = "$sentence" ] || fail "the dump said: $said"
	check
}

# nothing_left: no process of this test is there any more, none of ours either.
nothing_left()
{
	local left

	left=$(for p in $(started); do if runs "$p"; then ps -o pid=,args= -p "$p"; fi; done)
	[ -z "$left" ] || fail "still there: $left"
}
