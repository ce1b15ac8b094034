load ../lib

@test "nsfile: namespaces that we live in" {
	start fd/nsfile
	dump_and_restore
	check
}

@test "nsfile: another one is refused" {
	start fd/nsfile other
	name=$(readlink "/proc/$PID/fd/4")
	refuse "cannot dump $PID: fd 4 (nsfile) of pid $PID: it is a uts namespace ('$name') that the tree does not live in; let the program close it before the dump"
}
