#!/usr/bin/env bash
# Runs unit tests and bats files, several files at a time, and sums them up.
#
#   test/run.sh                everything
#   test/run.sh fd/timerfd     test/fd/timerfd.bats, and unit tests of that name; several names may be given
#
# A unit test prints TAP (test/lib/unit.h); one that does not counts as a single test by its exit status.
set -u
here=$(readlink -f "$0")
cd "$(dirname "$here")/.." || exit 1
export BUILD=${BUILD:-$PWD/build} STASIS=${STASIS:-$PWD/stasis} JOBS=${JOBS:-$(($(nproc) + 1))} LIMIT=${LIMIT:-300}

# What is dumped has to be reaped before its pid can be had again; see the reaper.
if [ -z "${REAPED:-}" ] && [ -x "$BUILD/test/lib/reaper" ]; then
	REAPED=1 exec "$BUILD/test/lib/reaper" "$here" "$@"
fi

# One file; its output goes into a file of its own, so that the lines of two are never mixed.
run_one()
{
	local file=$1 out="$2/${1//\//_}" status=0 began=$SECONDS

	case $file in
	*.bats) export TEST_RUN=$out && timeout -k 5 "$LIMIT" bats --tap "$file" >"$out" 2>&1 </dev/null || status=$? ;;
	*) timeout -k 5 "$LIMIT" "$file" >"$out" 2>&1 </dev/null || status=$? ;;
	esac
	# A file that was stopped in the middle has not ended what it had started.
	if [ "$status" -ge 124 ]; then
		env -u TEST_RUN grep -lzsxF "TEST_RUN=$out" /proc/[0-9]*/environ | cut -d/ -f3 | xargs -r kill -KILL 2>/dev/null
	fi
	if [ "$status" -ge 124 ] || ! grep -qE '^(not )?ok ' "$out"; then
		if [ "$status" = 0 ]; then echo "ok 0 $file"; else echo "not ok 0 $file: exit status $status"; fi >>"$out"
	fi
	# A file is one write: what failed and what was skipped, else a word.
	if grep -q '^not ok ' "$out"; then
		printf '%s\n%s\n' "FAILED $file" "$(cat "$out")"
	else
		printf '%s\n' "passed $file ($(grep -c '^ok ' "$out"), $((SECONDS - began)) s)$(grep '^ok .*# skip' "$out" | sed 's/^/\n    /')"
	fi
}
export -f run_one

shopt -s nullglob
list=()
if [ $# -eq 0 ]; then
	list=("$BUILD"/test/*/*_test test/*.bats test/*/*.bats)
fi
for name in "$@"; do
	for file in "$BUILD/test/${name%_test}_test" "test/$name.bats" "test/$name"/*.bats "$BUILD/test/$name"/*_test; do
		[ -e "$file" ] && list+=("$file")
	done
done
if [ ${#list[@]} -eq 0 ]; then
	echo "no test is called '$*'" >&2
	exit 1
fi

results=$(mktemp -d /tmp/stasis-check.XXXXXX)
trap 'rm -rf "$results"' EXIT
# shellcheck disable=SC2016 # expanded by the inner shell
printf '%s\0' "${list[@]}" | xargs -0 -P "$JOBS" -I{} bash -c 'run_one "$1" "$2"' _ {} "$results"

failed=$(cat "$results"/* | grep -c '^not ok ')
skipped=$(cat "$results"/* | grep -c '^ok .*# skip')
passed=$(($(cat "$results"/* | grep -c '^ok ') - skipped))
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
