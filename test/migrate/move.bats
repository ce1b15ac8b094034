load ../lib
load hosts

@test "migrate: a process with memory of all sorts, there and back" {
	hosts_begin
	start_on a mm/anon
	moved a b
	moved b a
	check_on a
	nothing_left_on a b
}

@test "migrate: a tree with something of everything" {
	hosts_begin
	start_on a safety/rich
	moved a b --mode=stop --file-locks
	check_on b
	nothing_left_on a b
}

@test "migrate: memory that is written all the while, in rounds" {
	skip_unless pagemap_scan
	hosts_begin
	start_on a freeze/moment all full 32 1
	moved a b --mode=precopy
	[[ $SAID = *" rounds, "* ]]
	go_on b
	moved b a --mode=precopy --max-rounds=3 --compress=lz4
	check_on a
	nothing_left_on a b
}
