#!/usr/bin/env bash
# Runs a command under another kernel, with the files of this machine, and ends as the command does.
#
#   test/vm/run.sh KERNEL COMMAND [MEMORY in MiB] [CPUS]      KERNEL as test/vm/fetch.sh names it
#
# The guest is emulated (qemu without KVM, which not every host has): up in some 3 s, about ten times slower than
# the host. It sees the host's files over virtiofs, read-only; /tmp, /run, /var/tmp and /dev are its own memory. So
# nothing that happens in it can harm the host. VM_LIMIT is how many seconds it may take.
set -eu
cd "$(dirname "$0")/../.."
kernel=$1 command=$2 memory=${3:-3072} cpus=${4:-2}
root=$PWD
dir=$root/build/vm/$kernel
run=$(mktemp -d "$root/build/vm/run.XXXXXX")
started=()

# shellcheck disable=SC2317 # called by the trap
clean_up()
{
	[ ${#started[@]} -eq 0 ] || kill "${started[@]}" 2>/dev/null || true
	rm -rf "$run"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# virtiofs itself, and what it needs, in order; in some kernels all of it is built in.
make_initrd()
{
	local version count=100 kind module

	version=$(ls "$dir/lib/modules")
	mkdir -p "$run/initrd/modules" "$run/initrd/root" "$run/initrd/dev"
	cp "$root/build/test/vm/init" "$run/initrd/init"
	for module in virtio_pci virtiofs; do
		modprobe -d "$dir" -S "$version" --show-depends "$module"
	done | awk '!seen[$2]++' | while read -r kind module _; do
		[ "$kind" = insmod ] || continue
		cp "$module" "$run/initrd/modules/$((count++)).ko"
	done
	(cd "$run/initrd" && find . | cpio -o -H newc --quiet >"$run/initrd.cpio")
}

start_server()
{
	local program

	for program in /usr/libexec/virtiofsd /usr/lib/qemu/virtiofsd; do
		[ ! -x "$program" ] || break
	done
	"$program" --socket-path="$run/socket" -o source=/ -o cache=always -o sandbox=chroot >"$run/server.log" 2>&1 &
	started+=($!)
	for _ in $(seq 100); do
		[ ! -S "$run/socket" ] || return 0
		sleep 0.05
	done
	echo "virtiofsd does not start:" >&2
	cat "$run/server.log" >&2
	return 1
}

printf '%s\n' "$command" >"$run/command"
make_initrd
start_server
status=0
timeout -k 5 "${VM_LIMIT:-600}" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -m "$memory" -smp "$cpus" \
	-object "memory-backend-memfd,id=mem,size=${memory}M,share=on" -numa node,memdev=mem \
	-chardev "socket,id=files,path=$run/socket" -device vhost-user-fs-pci,chardev=files,tag=root \
	-nodefaults -display none -no-reboot -serial "file:$run/console" -serial stdio \
	-kernel "$dir/vmlinuz" -initrd "$run/initrd.cpio" \
	-append "console=ttyS0 quiet panic=-1 mitigations=off no_timer_check VM_ROOT=$root VM_KERNEL=$kernel VM_RUN=$run" </dev/null &
started+=($!)
wait $! || status=$?
said=$(tr -d '\r' <"$run/console" | sed -n 's/^vm: ended with \([0-9]*\) .*/\1/p')
if [ -z "$said" ]; then
	[ "$status" -lt 124 ] || echo "the guest took longer than ${VM_LIMIT:-600} s"
	echo "the guest ended before the command did; its console:"
	tail -n 40 "$run/console"
	exit 125
fi
exit "$said"
