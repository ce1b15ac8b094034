load ../lib

@test "mm: arguments, environment, auxiliary vector, heap, program file" {
	start task/mm one two three
	dump_and_restore
	check
}
