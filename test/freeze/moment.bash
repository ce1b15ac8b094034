# What the tests of this folder share: every disturbance under every way to freeze.
load ../lib

# The ways to dump; MOMENT_WAYS='--freeze=stop|--freeze=cow|pre=2' tries others. See before_dump().
FREEZE_WAYS=(--freeze=stop --freeze=precopy "pre=2" restored)
# A check takes pre-copy and one of the others, each test another one; a soak takes all.
if [ -z "${SOAK:-}" ]; then
	case $((${BATS_TEST_NUMBER:-0} % 3)) in
	0) FREEZE_WAYS=(--freeze=precopy --freeze=stop) ;;
	1) FREEZE_WAYS=(--freeze=precopy "pre=2") ;;
	2) FREEZE_WAYS=(--freeze=precopy restored) ;;
	esac
fi
[ -z "${MOMENT_WAYS:-}" ] || IFS='|' read -r -a FREEZE_WAYS <<<"$MOMENT_WAYS"
# The memory of all together, about, in MiB.
MOMENT_SIZE=${MOMENT_SIZE:-32}

# The program of the last way has ended; the next one finds nothing of it.
anew()
{
	rm -rf "$TEST_DIR"/{result,ready.*,go.*,images.*}
	ROUND=1
	next_images "$ROUND"
}

# each_way COMMAND...: with FREEZE_OPTIONS for the dump, each time on a new program.
each_way()
{
	local way

	for way in "${FREEZE_WAYS[@]}"; do
		echo "with '$way':"
		read -r -a FREEZE_OPTIONS <<<"$way"
		"$@"
		anew
	done
}

# The same without the ways that need other dumps before.
each_way_alone()
{
	local way all=("${FREEZE_WAYS[@]}")

	FREEZE_WAYS=()
	for way in "${all[@]}"; do
		[[ $way == pre=* || $way == restored* ]] || FREEZE_WAYS+=("$way")
	done
	each_way "$@"
}

all_gone()
{
	local p

	for p in "$@"; do
		! runs "$p" || return 1
	done
}

pids_of_tree()
{
	local more=$PID p

	while [ -n "${more// /}" ]; do
		printf '%s\n' "$more"
		more=$(for p in $more; do cat /proc/"$p"/task/*/children 2>/dev/null; done | tr ' ' '\n')
	done
}

# run_on_and_restore --freeze=cow: saved, run on for a while, ended, and started again.
run_on_and_restore()
{
	local all

	[ -z "${PLAIN:-}" ] || return 0
	dump --leave-running "$@"
	grep -q 'blocks of memory are saved while it runs' "$IMAGES"/dump.log || fail "all was saved in the stop"
	sleep 0.1
	# One that makes processes all the while has to stand still to be counted.
	mapfile -t all < <(pids_of_tree)
	kill -STOP "${all[@]}" 2>/dev/null || true
	mapfile -t all < <(pids_of_tree)
	kill -KILL "${all[@]}" 2>/dev/null || true
	until_true all_gone "${all[@]}" || fail "the program does not end"
	sleep 0.2 # a thread of low priority may be on its last steps, and has its number until then
	restore
	runs "$PID" || fail "pid $PID does not run after the restore: $(cat "$TEST_DIR/result" 2>&1)"
}

# The program has run for a while; it is dumped, and it runs for a while again.
carry_moment()
{
	start freeze/moment "$1" "$2" "$MOMENT_SIZE"
	sleep 0.3
	before_dump
	if [[ ${FREEZE_OPTIONS[*]} == *--freeze=cow* ]]; then
		run_on_and_restore "${FREEZE_OPTIONS[@]}"
	else
		dump_and_restore "${FREEZE_OPTIONS[@]}"
	fi
	sleep 0.2
	check
}

# The program is started from images, which the dumps that come are increments upon.
start_from_images()
{
	next_images base
	dump
	until_true is_gone || fail "pid $PID still runs after the dump"
	restore --track-mem
	[ -e /run/stasis/tracking-"$PID" ] || fail "nothing is tracked after the restore"
	sleep 0.1
	next_images "$ROUND"
}

# before_dump: "restored" is a way of dumps that go on from a restore; "pre=COUNT" has so many dumps of what was written
# before it, each an increment.
before_dump()
{
	local i count=0 last=()

	[[ ${FREEZE_OPTIONS[0]:-} == pre=* || ${FREEZE_OPTIONS[0]:-} == restored ]] || return 0
	[ -z "${PLAIN:-}" ] || return 0
	if [ "${FREEZE_OPTIONS[0]}" = restored ]; then
		start_from_images
		last=(--prev-images-dir ../images.base)
		FREEZE_OPTIONS=("${FREEZE_OPTIONS[@]:1}")
	fi
	if [[ ${FREEZE_OPTIONS[0]:-} == pre=* ]]; then
		count=${FREEZE_OPTIONS[0]#pre=}
		FREEZE_OPTIONS=("${FREEZE_OPTIONS[@]:1}")
	fi
	for ((i = 1; i <= count; i++)); do
		mkdir "$TEST_DIR/images.pre.$i"
		quietly "$STASIS" pre-dump -t "$PID" -D "$TEST_DIR/images.pre.$i" --track-mem \
			--timeout "$TIMEOUT" "${last[@]}"
		last=(--prev-images-dir "../images.pre.$i")
		sleep 0.1
	done
	FREEZE_OPTIONS+=(--track-mem "${last[@]}")
}

# disturbed WHAT [PACE]
disturbed()
{
	each_way carry_moment "$1" "${2:-full}"
}

# The program is saved while it runs on, writes as fast as it may, and changes mappings and tasks (moment.c).
moment_of()
{
	FREEZE_WAYS=(--freeze=cow)
	disturbed "$@"
}

# stopped_often WHAT WAY: saved again and again while tasks come and go, however unlucky the moment.
stopped_often()
{
	local i carry=dump_and_restore

	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	[ "$2" != --freeze=cow ] || carry=run_on_and_restore
	start freeze/moment "$1" full 4
	for ((i = 1; i <= 5; i++)); do
		next_images "again.$i"
		dump --leave-running "$2"
	done
	next_images last
	"$carry" "$2"
	check
	anew
}

# Until sockets can be saved at all.
needs_sockets()
{
	local said

	start freeze/moment socket idle 8
	said=$("$STASIS" dump -t "$PID" -D "$IMAGES" --leave-running 3>&- 2>&1) || true
	[[ $said != *"socket"* ]] || skip "the dump refuses sockets"
	check
	anew
}
