# A machine within the machine for container runtimes: mount, pid, network and cgroup namespaces of their own, a group of their own in every
# hierarchy of control groups, and a folder of programs in which stasis is called criu. Load it behind lib.
# shellcheck disable=SC2016 # for the inner shell

eval "lib_$(declare -f teardown)"

teardown()
{
	local failed=${BATS_TEST_COMPLETED:-}

	[ -n "${TEST_DIR:-}" ] || return 0
	[ -n "$failed" ] || [ -n "${BATS_TEST_SKIPPED:-}" ] || show_runtime_logs
	kill_all
	groups_remove
	lib_teardown
}

show_runtime_logs()
{
	find "$TEST_DIR" -name '*.log' -size +0 2>/dev/null | while read -r log; do
		echo "--- the end of ${log#"$TEST_DIR"/}"
		tail -n 60 "$log"
	done
}

# 'unified', and hierarchies of version 1 by their options for mount. runc takes the folder that a tmpfs names first, the newest, for an
# example of what is mounted there, and that must not be the one of version 2.
hierarchies()
{
	sed -n 's/^0::.*/unified/p' /proc/self/cgroup
	sed -n 's/^[0-9]*:\([^:]\+\):.*/\1/p' /proc/self/cgroup | tac
}

group_mount()
{
	case $1 in
	unified) mount -t cgroup2 none "$2" ;;
	*=*) mount -t cgroup -o "none,$1" none "$2" ;;
	*) mount -t cgroup -o "$1" none "$2" ;;
	esac
}

groups_begin()
{
	local h at

	GROUP=stasis-${TEST_DIR##*.}
	for h in $(hierarchies); do
		at=$TEST_DIR/groups/$h
		mkdir -p "$at"
		group_mount "$h" "$at" || skip "the hierarchy $h of control groups cannot be mounted"
		mkdir "$at/$GROUP"
		# A group of processors has none at first.
		[ ! -e "$at/cpuset.cpus" ] || cat "$at/cpuset.cpus" >"$at/$GROUP/cpuset.cpus"
		[ ! -e "$at/cpuset.mems" ] || cat "$at/cpuset.mems" >"$at/$GROUP/cpuset.mems"
	done
}

groups_are_empty()
{
	! cat "$TEST_DIR"/groups/*/"$GROUP"/cgroup.procs "$TEST_DIR"/groups/*/"$GROUP"/*/cgroup.procs 2>/dev/null | grep -q .
}

groups_remove()
{
	local at

	[ -n "${GROUP:-}" ] || return 0
	until_true groups_are_empty || true
	for at in "$TEST_DIR"/groups/*; do
		find "$at" -depth -type d -path "*/$GROUP*" -exec rmdir {} \; 2>/dev/null
		umount "$at" 2>/dev/null
	done
	return 0
}

# The first process of the sandbox; everything that outlives its parent there is reaped by it.
sandbox_begin()
{
	groups_begin
	mkdir -p "$TEST_DIR/bin"
	ln -sf "$STASIS" "$TEST_DIR/bin/criu"
	{
		close_inherited
		for g in "$TEST_DIR"/groups/*/"$GROUP"; do echo 0 >"$g/cgroup.procs"; done
		exec unshare --kill-child --mount --pid --net --cgroup --fork --mount-proc -- sh -c '
			mount --make-rprivate / && mount -t tmpfs none /run && mkdir /run/stasis
			umount -a -t cgroup,cgroup2; umount -R /sys/fs/cgroup 2>/dev/null
			mount -t tmpfs none /sys/fs/cgroup
			for h in $2; do
				at=/sys/fs/cgroup/${h#name=}; mkdir "$at"
				case $h in
				unified) mount -t cgroup2 none "$at" ;;
				*=*) mount -t cgroup -o none,"$h" none "$at" ;;
				*) mount -t cgroup -o "$h" none "$at" ;;
				esac
			done
			ip link set lo up; touch "$1/up"; exec "$3" sleep infinity' \
			sh "$TEST_DIR" "$(hierarchies | tr '\n' ' ')" "$BUILD/test/lib/reaper"
	} </dev/null >>"$TEST_DIR/sandbox.out" 2>&1 &
	until_true test -e "$TEST_DIR/up" || fail "the sandbox does not come up: $(cat "$TEST_DIR/sandbox.out")"
	until_true has_first $! || fail "the sandbox has no first process"
}

has_first()
{
	FIRST=$(cat /proc/"$1"/task/*/children 2>/dev/null)
	FIRST=${FIRST%% *}
	[ -n "$FIRST" ] && grep -q reaper /proc/"$FIRST"/cmdline
}

# inside COMMAND...: in the sandbox, and in its groups.
inside()
{
	(
		for g in "$TEST_DIR"/groups/*/"$GROUP"; do echo 0 >"$g/cgroup.procs"; done
		PATH=$TEST_DIR/bin:$PATH exec nsenter -t "$FIRST" -m -p -n -C -- "$@"
	)
}

# rootfs DIR: a tree with a shell, and a program that counts.
rootfs()
{
	local name

	[ -x /bin/busybox ] || skip "there is no /bin/busybox (busybox-static)"
	mkdir -p "$1"/bin "$1"/proc "$1"/sys "$1"/dev "$1"/tmp "$1"/etc
	cp /bin/busybox "$1/bin/"
	for name in nc sh sleep cat echo ls mount ps touch mkdir true stty; do ln -sf busybox "$1/bin/$name"; done
	printf '%s\n' '#!/bin/sh' 'i=0' 'while true; do i=$((i+1)); echo $i >/tmp/count.new; mv /tmp/count.new /tmp/count; sleep 0.02; done' >"$1/count"
	ln -sf busybox "$1/bin/mv"
	chmod 0755 "$1/count"
}

# program ROOTFS FILE: a program of the machine, with the libraries that it needs.
program()
{
	local file

	for file in "$2" $(ldd "$2" | grep -o '/[^ ]*'); do
		mkdir -p "$1${file%/*}"
		cp -L "$file" "$1$file"
	done
}

# image_of ROOTFS FILE: an image as docker saves it, with the name bb.
image_of()
{
	local sum

	mkdir -p "$TEST_DIR/image.parts/1"
	tar -C "$1" -cf "$TEST_DIR/image.parts/1/layer.tar" .
	sum=$(sha256sum "$TEST_DIR/image.parts/1/layer.tar")
	echo '{"architecture":"amd64","os":"linux","config":{"Cmd":["/count"]},"rootfs":{"type":"layers","diff_ids":["sha256:'"${sum%% *}"'"]}}' \
		>"$TEST_DIR/image.parts/config.json"
	echo '[{"Config":"config.json","RepoTags":["docker.io/library/bb:latest"],"Layers":["1/layer.tar"]}]' >"$TEST_DIR/image.parts/manifest.json"
	tar -C "$TEST_DIR/image.parts" -cf "$2" manifest.json config.json 1
}

# counts ROOTFS: the program in there goes on. COUNT is where it was seen last.
counts()
{
	local now

	now=$(cat "$1/tmp/count" 2>/dev/null)
	[ -n "$now" ] && [ "$now" -gt "${COUNT:-0}" ] && COUNT=$now
}
