# What the tests of safety share: the whole tree as it is seen from outside, and the steps of a dump and of a restore.

# The pids of the program and of all its children.
tree()
{
	local more=$PID p

	while [ -n "${more// /}" ]; do
		printf '%s\n' "$more"
		more=$(for p in $more; do cat /proc/"$p"/task/*/children 2>/dev/null; done | tr ' ' '\n')
	done
}

snapshot()
{
	# shellcheck disable=SC2046 # a list of numbers
	"$BUILD"/test/safety/snapshot $(tree)
}

# unchanged BEFORE WHEN
unchanged()
{
	diff <(echo "$1") <(snapshot) || fail "$2: something has changed"
	# shellcheck disable=SC2046 # patterns
	! grep -E '^TracerPid:\s[1-9]' $(tree | sed 's,..*,/proc/&/task/*/status,') || fail "$2: it is still traced"
}

# The names in a table of steps.
steps_of()
{
	sed -n 's/^\t{ \.name = "\([^"]*\)".*/\1/p' "$1"
}

no_complete_dump()
{
	local said status=0

	[ ! -e "$IMAGES"/inventory.img ] || fail "the images look complete"
	said=$("$STASIS" restore -d -D "$IMAGES" 3>&- 2>&1) || status=$?
	[ "$status" = 1 ] || fail "the restore ended with $status"
	[ "$said" = "cannot restore '$IMAGES': 'inventory.img' is missing; the folder holds no complete dump" ] ||
		fail "it said: $said"
}

# killer WHO MICROSECONDS COMMAND...: see killer.c; what it says goes to 'said', one line
killer()
{
	said=$("$BUILD"/test/safety/killer "$@" 3>&- 2>"$TEST_DIR"/killer.err) || fail "killer failed"
}
