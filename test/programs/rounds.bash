# How often programs are saved and restored: ten times where it may take longer (make soak).
# Each login is a session, so a group of its own to the scheduler: see TIMEOUT in lib.bash.
PATIENCE=${PATIENCE:-6000}
load ../lib

export ROUNDS=${ROUNDS:-$([ -n "${SOAK:-}" ] && echo 10 || echo 2)}

# in_rounds [OPTIONS]: a program that speaks as victim.py does, in each of its rounds; at the end it looks at itself.
in_rounds()
{
	local i

	for ((i = 1; i <= ROUNDS; i++)); do
		dump_and_restore "$@"
		! declare -F between >/dev/null || between
		[ "$i" = "$ROUNDS" ] || go
	done
	check
}
