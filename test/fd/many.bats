load ../lib

@test "many: ten thousand descriptors, each as it was" {
	start fd/many
	dump_and_restore
	check
}
