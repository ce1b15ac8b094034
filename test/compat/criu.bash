# Images of ours restored by CRIU, and images of CRIU restored by us. CRIU is taken as a program: CRIU=/path/to/criu, or
# the criu in PATH if that is not stasis itself. docs/compatibility.md says what is not tried in which direction, and why.

# Why nothing can be compared; empty if it can.
why_not()
{
	local version

	[ -n "$OTHER" ] || { echo "there is no criu to compare with (CRIU=/path/to/criu)" && return; }
	version=$("$OTHER" --version 2>&1) || { echo "'$OTHER' does not start: $version" && return; }
	case $version in
	*stasis*) echo "'$OTHER' is stasis (CRIU=/path/to/criu)" ;;
	"Version: "[0-3].* | "Version: "4.[01]*) echo "${version%%$'\n'*}: ours is the format of 4.2" ;;
	*) "$OTHER" check >/dev/null 2>&1 || echo "${version%%$'\n'*}: it says that this kernel will not do" ;;
	esac
}

setup_file()
{
	export OURS=$STASIS OTHER=${CRIU:-$(type -P criu)} WHY_NOT
	WHY_NOT=$(why_not)
}

# That of lib.bash, unless there is nothing to do.
eval "$(declare -f setup | sed '1s/setup/begin/')"
setup()
{
	[ -z "$WHY_NOT" ] || skip "$WHY_NOT"
	begin
}

# tree PID...: they and all their children.
tree()
{
	local p

	for p in "$@"; do
		echo "$p"
		# shellcheck disable=SC2046 # a list of numbers
		tree $(cat /proc/"$p"/task/*/children 2>/dev/null)
	done
}

# Zombies are not gone: whoever dumped did not have to wait for somebody to reap them, but pids are needed again.
are_gone()
{
	local p

	for p in "$@"; do
		[ ! -e /proc/"$p" ] || return 1
	done
}

afresh()
{
	kill_all
	rm -rf "$TEST_DIR"
	begin
}

# with OPTION COMMAND...: an option of both dump and restore.
with()
{
	OPTIONS=("$1")
	"${@:2}"
	OPTIONS=()
}

# carry FROM TO PROGRAM [ARGUMENTS]: FROM dumps it, TO restores it; it checks itself. The argument DIR is TEST_DIR. It is started by
# $START and checked by $CHECK; FROM has the further options $DUMP_WITH.
carry()
{
	local from=$1 to=$2 pids arguments=("${@:3}") options=("${OPTIONS[@]}")

	echo "--- ${*:3}: dumped by '$from', restored by '$to'"
	"${START:-start}" "${arguments[@]/#DIR/$TEST_DIR}"
	# shellcheck disable=SC2046
	pids=$(tree "$PID")
	# shellcheck disable=SC2086
	STASIS=$from dump "${options[@]}" ${DUMP_WITH:-}
	# shellcheck disable=SC2086
	[ -n "${PLAIN:-}" ] || until_true are_gone $pids || fail "they still run: $pids"
	STASIS=$to restore "${options[@]}"
	"${CHECK:-check}"
}

to_criu()
{
	carry "$OURS" "$OTHER" "$@"
	afresh
}

from_criu()
{
	carry "$OTHER" "$OURS" "$@"
	afresh
}

both()
{
	to_criu "$@"
	from_criu "$@"
}

# A job of a shell in a terminal goes on in another one.
shell_job()
{
	launch script -qefc "bash -c '$BUILD/test/fd/tty_job <&1 & wait'" "$TEST_DIR/before"
	wait_ready
	PID=$(cat "$TEST_DIR/ready.1")
	STASIS=$1 dump --shell-job
	launch script -qefc "$2 restore -D $IMAGES -v4 -o restore.log --shell-job" "$TEST_DIR/after"
	PID=$(cat "$TEST_DIR/ready.1")
	until_true runs "$PID"
	check
	until_true grep -q "said by the child" "$TEST_DIR/after"
	afresh
}
