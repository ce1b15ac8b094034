load moment.bash

@test "paces: nothing is written, and all is disturbed" {
	disturbed all idle
}

@test "paces: nothing happens at all" {
	disturbed none idle
}

@test "paces: some 20,000 pages a second" {
	disturbed none paced
}

@test "paces: some 20,000 pages a second, and all is disturbed" {
	disturbed all paced
}

# What write-protection of pages and what is not a fault of the task's own would miss, when nothing else is going on.
@test "paces: each disturbance, one after another" {
	local what all=(unmap move alias fork huge sibling)

	[ -z "${SOAK:-}" ] || all+=(dontneed remove truncate pwrite brief protect threads direct pipe)
	for what in "${all[@]}"; do
		disturbed "$what" "${MOMENT_PACE:-idle}"
	done
}
