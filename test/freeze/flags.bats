# What a program has set of its mappings is that of the last stop, as its memory is.
load ../lib

# Where the kernel tells flags without smaps; see lib/vma_bits.h.
quick()
{
	[ -e /sys/kernel/btf/vmlinux ] || skip "the kernel does not tell what its structures look like (CONFIG_DEBUG_INFO_BTF)"
	skip_unless mem_dirty_track
}

moment()
{
	quick
	start freeze/flags 600
	dump_and_restore "$@"
	! grep -q "come from smaps" "$IMAGES"/dump.log || fail "flags were read from smaps: $(grep "come from smaps" "$IMAGES"/dump.log)"
	check
}

@test "flags: locked or not, as it was at the last stop of a pre-copy" {
	moment --freeze=precopy
}

@test "flags: locked or not, at one stop" {
	moment --freeze=stop
}

@test "flags: locked or not, in an increment" {
	quick
	start freeze/flags 600
	dump --leave-running --track-mem
	sleep 0.2
	local on=$IMAGES
	next_images increment
	dump_and_restore --prev-images-dir "../${on##*/}" --track-mem
	check
}
