#!/usr/bin/env bash
# apart.sh DIR COMMAND...: runs a command as process 1 of a pid namespace, with a mount namespace where nothing may be
# written but below /tmp, which is empty but for DIR and the current directory. What it starts ends with it.
set -eu

dir=$1
shift
export APART_DIR=$dir
# shellcheck disable=SC2016 # expanded by the inner shell
exec unshare --mount --pid --ipc --fork --kill-child --mount-proc --propagation private bash -euc '
	exec 8<"$APART_DIR" 9<"$PWD"
	findmnt -rno TARGET | while read -r at; do
		case $at in /proc* | /sys* | /dev*) ;; *) mount -o remount,bind,ro "$at" 2>/dev/null || true ;; esac
	done
	# Terminals of others would take the numbers that are wanted.
	mount -t devpts -o newinstance,ptmxmode=0666 none /dev/pts
	mount --bind /dev/pts/ptmx /dev/ptmx
	mount -t tmpfs none /tmp
	mkdir -p "$APART_DIR" && mount -c --bind /proc/self/fd/8 "$APART_DIR"
	mount -o remount,bind,rw "$APART_DIR"
	case $PWD in /tmp/*)
		mkdir -p "$PWD" && mount -c --bind /proc/self/fd/9 "$PWD"
		cd "$PWD" ;;
	esac
	exec 8<&- 9<&-
	exec "$@"' bash "$@"
