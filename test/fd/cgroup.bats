load ../lib

@test "cgroup: open directories and files of a cgroup" {
	start fd/cgroup
	dump_and_restore
	check
}

@test "cgroup: one that is gone is said" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start fd/cgroup
	path=$(readlink "/proc/$PID/fd/3")
	dump
	until_true is_gone
	rmdir "$path"
	said=$("$STASIS" restore -d -D "$IMAGES" 2>&1) && fail "it was restored"
	[ "$said" = "cannot restore '$IMAGES': fd 3 (regfile) of pid $PID: open '$path': No such file or directory" ] || fail "$said"
}
