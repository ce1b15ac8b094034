load ../lib

# mapping_refused NAME PAGES REASON
mapping_refused()
{
	local from to

	start mm/unsupported "$1"
	from=$(cat "$TEST_DIR"/address)
	to=$(printf '%x' $((0x$from + 4096 * $2)))
	refuse "cannot dump $PID: mapping $from-$to (mm/unsupported) of pid $PID: $3"
}

@test "unsupported: sealed memory" {
	mapping_refused sealed 1 "it is sealed (mseal); sealed memory cannot be rebuilt"
}

@test "unsupported: secret memory" {
	mapping_refused secret 1 \
		"it is secret memory (memfd_secret), which nobody else can read; let the program close it before the dump"
}

@test "unsupported: the buffer of a performance event" {
	mapping_refused perf 2 "it is the buffer of a performance event; let the program close it before the dump"
}

@test "unsupported: memory watched by a userfaultfd" {
	mapping_refused uffd 1 "it is watched by a userfaultfd; let the program close it before the dump"
}

@test "unsupported: the ring of a packet socket" {
	mapping_refused packet 2 "it is the ring of a packet socket; let the program close it before the dump"
}
