load ../lib

@test "bpfmap: arrays and hashes, frozen, for reading only" {
	start fd/bpfmap
	dump_and_restore
	check
}

@test "bpfmap: a dump that leaves the program running changes nothing" {
	start fd/bpfmap
	dump --leave-running
	check
}

@test "bpfmap: a queue is refused" {
	start fd/bpfmap_odd
	refuse "cannot dump $PID: fd 3 (bpfmap) of pid $PID: it is a BPF map of another type than array and hash (0x16), which is not supported; let the program close it before the dump"
}
