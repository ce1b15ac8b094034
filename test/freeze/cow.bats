# --freeze=cow: the program runs on while it is saved; what is restored is the moment. The engine has tests of its own
# (test/lib/cow_test.c).

load moment.bash
load ../safety/safety

# What is used before it was set is not zero by chance.
export MALLOC_PERTURB_=170

# kept VICTIM...: is the same afterwards.
kept()
{
	start "$@"
	run_on_and_restore --freeze=cow
	check
}

@test "cow: anonymous memory" {
	kept mm/anon
}

@test "cow: memory of files" {
	kept mm/file
}

@test "cow: shared memory" {
	kept mm/shmem
}

@test "cow: a vdso of another kernel" {
	start mm/vdso foreign
	dump_and_restore
	go
	run_on_and_restore --freeze=cow
	go
	dump_and_restore
	check
}

@test "cow: huge pages, locks and advice" {
	kept mm/advice
}

@test "cow: guards" {
	kept mm/guard
}

@test "cow: a hundred threads" {
	kept task/threads 100
}

@test "cow: filters are on again while it runs" {
	kept task/seccomp_filter
}

# Such a process may not make a userfaultfd that the kernel's own writes wait for; it gets ours.
@test "cow: a process without any privilege" {
	kept task/creds unprivileged
}

@test "cow: a tree with something of everything" {
	kept safety/rich
}

@test "cow: a program that runs on is as it was" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	local before

	start safety/rich
	sleep 0.2
	before=$(snapshot)
	dump --leave-running --freeze=cow
	unchanged "$before" "after the dump"
	check
}

# They are made piece by piece while it is saved, by threads that take turns.
@test "cow: checksums are those of what was written" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start freeze/moment all full 64 0
	sleep 0.2
	dump --leave-running --freeze=cow
	grep -q "blocks of memory are saved while it runs" "$IMAGES"/dump.log || fail "nothing was saved while it ran"
	"$STASIS" verify "$IMAGES" >"$TEST_DIR"/verify || fail "$(cat "$TEST_DIR"/verify)"
	check
}

@test "cow: a program that was stopped stays it" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start mm/anon
	kill -STOP "$PID"
	sleep 0.1
	dump --leave-running --freeze=cow
	grep -q '^State:.T (stopped)' /proc/"$PID"/status || fail "it does not stand any more"
	kill -CONT "$PID"
	check
}

# One round, and a writer that is as fast.
@test "cow: chosen where pre-copy does not come to an end" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start freeze/moment none full 192
	sleep 0.3
	run_on_and_restore --max-rounds 1
	# Shared memory is saved in rounds all the same.
	[ -z "$(find "$IMAGES"/precopy-* -name 'pagemap-[0-9]*')" ] || fail "rounds of pre-copy are left"
	grep -q 'pre-copy does not come to an end' "$IMAGES"/dump.log || fail "there were none"
	check
}

@test "cow: something fails while it runs on" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	local step before said

	start safety/rich
	sleep 0.2
	before=$(snapshot)
	for step in protect stop inside pages images 'run on'; do
		said=$("$STASIS" dump -t "$PID" -D "$IMAGES" -R --freeze=cow --inject-fault="$step" 3>&- 2>&1) &&
			fail "'$step' did not fail"
		[[ $said == *"'$step'"* ]] || fail "it said: $said"
		unchanged "$before" "$step"
		no_complete_dump
	done
	check
}

@test "cow: the program has to run on" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start mm/anon
	refuse "cannot dump $PID: --freeze=cow lets the tree run on while it is saved; use it with --leave-running; a tree that ends with the dump is saved while it stands still" --freeze=cow
	check
}

@test "cow: no increments" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start mm/anon
	refuse "cannot dump $PID: --freeze=cow cannot tell what was written since another dump; leave --track-mem and --prev-images-dir out, or use --freeze=precopy" --freeze=cow -R --track-mem
}

@test "cow: nothing compressed" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start mm/anon
	refuse "cannot dump $PID: --freeze=cow saves pages as they are; leave --compress out, or use --freeze=precopy" --freeze=cow -R --compress
}

@test "cow: no action scripts" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start mm/anon
	refuse "cannot dump $PID: with --freeze=cow an action script would find the tree running; leave --action-script out, or use --freeze=precopy" --freeze=cow -R --action-script /bin/true
	check
}
