# Post-copy by hand, between hosts of which one has CRIU.
load ../lib
load ../migrate/hosts
load ../postcopy
load criu


# across FROM BY TO: who dumps on the one host, who brings the pages on the other, and who restores there.
across()
{
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	echo "--- dumped by '$1', brought by '$2', restored by '$3'"
	# shellcheck disable=SC2034
	FROM=$1 BY=$2 TO=$3
	# shellcheck disable=SC2034 # for postcopy.bash
	EXTRA=()
	[ "$FROM" != "$OURS" ] || EXTRA=(--insecure)
	hosts_begin
	# CRIU looks for the mounts of its files where it runs.
	# shellcheck disable=SC2016 # by the inner shell
	launch_on a sh -c 'exec "$@" </dev/null >>"$TEST_DIR/out" 2>>"$TEST_DIR/err"' sh "$BUILD/test/mm/lazy" 16
	wait_ready_on a
	lazy_dump
	# shellcheck disable=SC2034
	EXTRA=()
	bring
	if ! restore_lazily; then
		! grep -q "tee: .*Operation not permitted" "$IMAGES/dump.log" || skip "a source of its needs CAP_SYS_RESOURCE"
		fail "it is not restored"
	fi
	check_on b
	wait "$BRINGS" || fail "who brings pages says: $(cat "$TEST_DIR/lazy.out" "$IMAGES/lazy.log")"
	wait "$DUMP" || fail "the dump says: $(cat "$TEST_DIR/dump.out" "$IMAGES/dump.log")"
	afresh
}

@test "criu: post-copy, our source" {
	across "$OURS" "$OTHER" "$OTHER"
	across "$OURS" "$OTHER" "$OURS"
	across "$OURS" "$OURS" "$OTHER"
}

@test "criu: post-copy, its source" {
	across "$OTHER" "$OURS" "$OURS"
	across "$OTHER" "$OURS" "$OTHER"
}
