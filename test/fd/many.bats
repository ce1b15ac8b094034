load ../lib

@test "many: ten thousand descriptors, each as it was" {
	start fd/many
	dump_and_restore
	check
}

@test "many: hundreds of UNIX sockets, with what waits in them" {
	start fd/many sockets
	dump_and_restore
	check
}

@test "many: thousands of watches" {
	start fd/many watches
	dump_and_restore
	check
}
