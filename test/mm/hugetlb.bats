load ../safety/stream

POOL=/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages

# The pool is everybody's: one test at a time.
alone()
{
	local fd

	exec {fd}>/tmp/stasis-hugetlb.lock
	flock "$fd"
}

setup_file()
{
	POOL_WAS=$(cat "$POOL" 2>/dev/null) || true
	export POOL_WAS
}

teardown_file()
{
	alone
	[ -z "$POOL_WAS" ] || echo "$POOL_WAS" >"$POOL" || true
}

enough_pages()
{
	alone
	[ -w "$POOL" ] || skip "there is no pool of huge pages of 2 MiB"
	[ "$(cat "$POOL")" -ge 16 ] || echo 16 2>/dev/null >"$POOL" || true
	[ "$(cat "$POOL")" -ge 16 ] || skip "the machine has no room for 16 huge pages"
}

@test "hugetlb: private, shared and of a memfd" {
	enough_pages
	start mm/hugetlb
	dump_and_restore
	check
}

@test "hugetlb: an empty pool is said before anything is made" {
	enough_pages
	start mm/hugetlb
	dump
	until_true is_gone
	echo 0 >"$POOL"
	[ "$(cat "$POOL")" = 0 ] || skip "the pool cannot be emptied"
	run "$STASIS" restore -d -D "$IMAGES" -v4 -o restore.log
	echo 16 >"$POOL"
	[ "$status" = 1 ] || fail "$output"
	[[ $output == *"huge pages"* ]] || fail "$output"
	nothing_left
}

@test "hugetlb: through a stream" {
	enough_pages
	round mm/hugetlb
}
