# 'stasis protect', what it works with and the program that it protects are killed at random moments, over and over; each time
# the newest checkpoint is started and looks at itself. ROUNDS=... for more; 'make soak' takes 200.
# shellcheck disable=SC2153 # set by protect()
load protect.bash

ROUNDS=${ROUNDS:-${SOAK:+200}}
ROUNDS=${ROUNDS:-20}
WAYS=("--keep=3" "--keep=2 --freeze=precopy" "--keep=1" "--keep=3 --compress=lz4")

eval "$(declare -f teardown | sed '1s/teardown/teardown_all/')"

teardown()
{
	if [ -n "${MOUNTED:-}" ]; then
		kill_all
		until_true umount "$MOUNTED" 2>/dev/null || umount -l "$MOUNTED"
	fi
	teardown_all
}

# What was said to be there is there.
newest_is_there()
{
	local said there

	said=$(sed -n 's/^increment-0*\([0-9]*\): frozen.*/\1/p' "$SAID" | tail -n 1)
	there=$(readlink "$SAVED"/latest)
	there=$((10#${there#increment-}))
	[ "$there" -ge "${said:-0}" ] || fail "$1: the newest is $there, it said $said"
}

some_time()
{
	sleep "0.$(printf %03d $((RANDOM % 600)))"
}

# begin: there is a checkpoint at all.
begin()
{
	protect --every 20ms
	increments 1
	stop_protecting
}

begin_round()
{
	local way

	read -r -a way <<<"${WAYS[$1 % ${#WAYS[@]}]}"
	protect --every 20ms "${way[@]}"
	some_time
}

kill_children()
{
	# shellcheck disable=SC2046 # a list of numbers
	kill -KILL $(cat /proc/"$1"/task/"$1"/children) 2>/dev/null || true
}

# Everything that may be killed.
kill_somebody()
{
	local all

	case $(($1 % 4)) in
	0)
		kill -KILL "$PROTECTOR"
		until_true workers_gone || fail "round $1: somebody is left of the tool"
		all_well "round $1, the tool was killed"
		kill_tree
		;;
	1)
		kill_tree
		ended 0
		;;
	2)
		mapfile -t all < <(tree)
		kill -KILL "$PROTECTOR" "${all[@]}" 2>/dev/null || true
		until_true none_runs "${all[@]}" || fail "round $1: the program does not end"
		;;
	3)
		kill_children "$PROTECTOR"
		some_time
		all_well "round $1, the process that dumps was killed"
		kill_tree
		ended 0
		;;
	esac
	until_true workers_gone || fail "round $1: somebody is left of the tool"
}

@test "protect: killed at any moment, the tool, the program or both" {
	protect_setup
	begin
	for ((i = 0; i < ROUNDS; i++)); do
		begin_round "$i"
		kill_somebody "$i"
		newest_is_there "round $i"
		"$STASIS" verify "$SAVED" >/dev/null || fail "round $i: the checksums are not right"
		start_again
		all_well "round $i"
	done
}

disk_setup()
{
	truncate -s 512M "$TEST_DIR"/disk
	mkfs.ext4 -q -F "$TEST_DIR"/disk || skip "there is no mkfs.ext4"
	mkdir "$TEST_DIR"/mnt
	mount -o loop "$TEST_DIR"/disk "$TEST_DIR"/mnt || skip "a file cannot be mounted here"
	MOUNTED=$TEST_DIR/mnt
	SAVED=$MOUNTED/saved
	mkdir "$SAVED"
}

# Somebody else's mount namespace that was made meanwhile may still have it, and then it stays down.
is_unmounted()
{
	umount "$MOUNTED" 2>/dev/null || true
	[ -z "$(losetup -j "$TEST_DIR"/disk)" ]
}

# The file system goes down without writing anything that was not synced, its journal included, and comes up again by what
# the disk has. What a disk forgets that has a cache of its own and loses it is not tried: that takes a device mapper.
@test "protect: the power is cut at any moment" {
	protect_setup
	disk_setup
	begin
	for ((i = 0; i < ROUNDS; i++)); do
		begin_round "$i"
		kill -STOP "$PROTECTOR"
		newest_is_there "round $i"
		cp "$SAID" "$SAID.before"
		kill -CONT "$PROTECTOR"
		[ $((i % 2)) = 0 ] || some_time
		"$BUILD"/test/safety/powercut "$MOUNTED" || skip "this file system cannot be shut down"
		kill -KILL "$PROTECTOR"
		kill_tree
		until_true workers_gone || fail "round $i: somebody is left of the tool"
		until_true is_unmounted || fail "round $i: somebody has the disk open"
		mount -o loop "$TEST_DIR"/disk "$MOUNTED"
		SAID=$SAID.before newest_is_there "round $i"
		"$STASIS" verify "$SAVED" >/dev/null || fail "round $i: the checksums are not right"
		start_again
		all_well "round $i"
	done
}
