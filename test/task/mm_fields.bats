load ../lib

@test "mm_fields: arguments, environment, auxiliary vector, heap, program file" {
	start task/mm_fields one two three
	dump_and_restore
	check
}
