#!/usr/bin/env bash
# container.bash ROUNDS: for each, microseconds of running, killing and deleting an empty container with runc, of its checkpoint, and of its
# restore. Everything happens in the sandbox of the tests.
set -eu
cd "$(dirname "$0")/../.."

skip()
{
	echo "skip: $*"
	exit 0
}

. test/lib.bash
. test/runtimes/sandbox.bash
. test/runtimes/runc.bash
setup
# The shell tells of what was killed.
trap 'exec 2>/dev/null; BATS_TEST_COMPLETED=1 teardown' EXIT
bundle sleep 1000

now()
{
	echo "${EPOCHREALTIME/[.,]/}"
}

runc_in()
{
	inside runc --root /run/runc "$@" </dev/null >"$TEST_DIR/said" 2>&1 || fail "runc $*: $(cat "$TEST_DIR/said")"
}

gone()
{
	inside runc --root /run/runc delete "$1" >/dev/null 2>&1
}

for ((i = 0; i < $1; i++)); do
	begin=$(now)
	runc_in run -d -b "$TEST_DIR/bundle" "floor$i"
	runc_in kill "floor$i" KILL
	until gone "floor$i"; do :; done
	floor=$(($(now) - begin))
	runc_in run -d -b "$TEST_DIR/bundle" "c$i"
	begin=$(now)
	runc_in checkpoint --image-path "/run/images.$i" --work-path "$TEST_DIR/work" "c$i"
	checkpoint=$(($(now) - begin))
	begin=$(now)
	runc_in restore -d -b "$TEST_DIR/bundle" --image-path "/run/images.$i" --work-path "$TEST_DIR/work" "c$i"
	echo "$floor $checkpoint $(($(now) - begin))"
	runc_in kill "c$i" KILL
	until gone "c$i"; do :; done
	inside rm -rf "/run/images.$i"
done
