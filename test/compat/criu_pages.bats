# Page servers: pages of ours go to CRIU's, and of CRIU to ours.
load ../pages
load criu

# sent FROM THROUGH TO: who dumps, whose page server it is, who restores.
sent()
{
	local from=$1 through=$2 to=$3 pids

	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	echo "--- dumped by '$from' to the page server of '$through', restored by '$to'"
	start mm/lazy 16
	BY=$through serve server page-server
	to_server
	# shellcheck disable=SC2046 # a list of numbers
	pids=$(tree "$PID")
	STASIS=$from dump "${TO[@]}"
	served server
	together server
	# shellcheck disable=SC2086
	until_true are_gone $pids || fail "they still run: $pids"
	STASIS=$to restore
	check
	afresh
}

@test "criu: our dump, its page server" {
	sent "$OURS" "$OTHER" "$OURS"
	sent "$OURS" "$OTHER" "$OTHER"
}

@test "criu: its dump, our page server" {
	sent "$OTHER" "$OURS" "$OURS"
	sent "$OTHER" "$OURS" "$OTHER"
}

@test "criu: our dump, our page server" {
	sent "$OURS" "$OURS" "$OTHER"
}

# chained SERVER: our increments at its server.
chained()
{
	start freeze/increment 1
	BY=$1 serve server.1 page-server
	to_server
	quietly "$OURS" pre-dump -t "$PID" -D "$IMAGES" -v4 -o dump.log "${TO[@]}"
	served server.1
	go
	BY=$1 serve server.2 page-server --prev-images-dir ../server.1
	to_server
	dump --track-mem --prev-images-dir ../images.1 "${TO[@]}"
	served server.2
	together server.2
	until_true are_gone "$PID"
	STASIS=$2 restore
	check
	afresh
}

@test "criu: our increments, its page server" {
	skip_unless uffd_wp_async
	skip_unless pagemap_scan
	chained "$OTHER" "$OURS"
	chained "$OTHER" "$OTHER"
	chained "$OURS" "$OTHER"
}

# lazily BY TO: pages of images, brought by the daemon of the one to what the other restores.
lazily()
{
	local pids status=0 server

	start mm/lazy 16
	# shellcheck disable=SC2046
	pids=$(tree "$PID")
	dump
	# shellcheck disable=SC2086
	until_true are_gone $pids || fail "they still run: $pids"
	"$1" lazy-pages -D "$IMAGES" -v4 -o lazy.log </dev/null >"$TEST_DIR/lazy.out" 2>&1 3>&- &
	server=$!
	until_true test -S "$IMAGES/lazy-pages.socket"
	STASIS=$2 restore --lazy-pages
	check
	wait "$server" || status=$?
	[ "$status" = 0 ] || fail "the daemon ended with $status: $(cat "$TEST_DIR/lazy.out")"
	afresh
}

@test "criu: lazy pages of images" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	lazily "$OURS" "$OTHER"
	lazily "$OTHER" "$OURS"
	lazily "$OURS" "$OURS"
}
