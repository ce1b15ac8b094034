load ../lib
load criu

@test "criu: descriptors" {
	local kind

	for kind in eventfd epoll pipe fifo ghost fown table timerfd; do
		both compat/fd "$kind"
	done
	both fd/signalfd
	both fd/memfd
	from_criu compat/fd packets
	from_criu fd/eventpoll
	from_criu fd/fown
	from_criu fd/ghost
	from_criu fd/regfile
	to_criu fd/timerfd
}

@test "criu: locks, files with another name left" {
	with --file-locks to_criu fd/lock
	with --file-locks from_criu fd/lock one-owner
	with --link-remap both fd/remap
}

@test "criu: terminals" {
	both compat/fd tty
	both compat/fd unread
}

@test "criu: a shell job" {
	[ -z "${PLAIN:-}" ] || skip "nothing to restore"
	shell_job "$OURS" "$OTHER"
	shell_job "$OTHER" "$OURS"
}

@test "criu: memory" {
	both mm/anon
	both mm/cow
	both mm/file
	both mm/grow
	both mm/unlinked
	both mm/vdso
	both mm/vdso gone
	both mm/vmas 300 shared
	both mm/aio
	both compat/task memory
	from_criu mm/shmem
}

@test "criu: guard pages" {
	both compat/task guard
	from_criu mm/guard
}
