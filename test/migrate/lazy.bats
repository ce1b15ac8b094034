# Post-copy by hand: 'dump --lazy-pages' on one host keeps the pages, 'lazy-pages' on the other brings them to what 'restore --lazy-pages'
# has started there.
load ../lib
load hosts
load ../postcopy
load ../certificates

# shellcheck disable=SC2034 # for postcopy.bash
EXTRA=(--insecure)

is_stopped_on()
{
	on "$1" grep -q '^State:.T' /proc/"$PID"/status 2>/dev/null
}

@test "post-copy: what cannot be; and nobody has come yet, so a dump that is told to stop lets the tree run on" {
	local said

	hosts_begin
	start_on a mm/lazy 16
	said=$(on a "$STASIS" dump --lazy-pages -R -t "$PID" -D "$IMAGES" 2>&1 3>&-) && fail "it was done"
	[ "$said" = "cannot dump $PID: options '--lazy-pages' and '--leave-running' exclude each other: the tree stands still until its pages were taken, and is gone then" ] || fail "$said"
	said=$(on a "$STASIS" dump --lazy-pages --address 10.98.0.1 -t "$PID" -D "$IMAGES" 2>&1 3>&-) && fail "it was done"
	[[ $said = "cannot dump $PID: --lazy-pages: at '10.98.0.1' anybody in the network could "* ]] || fail "$said"
	said=$(on b "$STASIS" lazy-pages -D "$IMAGES" 2>&1 3>&-) && fail "it was done"
	[[ $said = "cannot bring pages: 'pstree.img' is missing" ]] || fail "$said"
	lazy_dump
	said=$(on b "$STASIS" restore -d -D "$IMAGES" 2>&1 3>&-) && fail "it was done"
	[[ $said = "cannot restore '$IMAGES': pages at "*" of pid $PID are not in the images (a lazy dump); start 'stasis lazy-pages', and restore with --lazy-pages" ]] || fail "$said"
	said=$(on b "$STASIS" restore -d --lazy-pages -D "$IMAGES" 2>&1 3>&-) && fail "it was done"
	[[ $said = "cannot restore '$IMAGES': connect to 'lazy-pages.socket' in the work directory: No such file or directory; start 'stasis lazy-pages' with the same directories first" ]] || fail "$said"
	kill -TERM "$(giver)"
	! wait "$DUMP" || fail "it ended well"
	[[ $(cat "$TEST_DIR/dump.out") == "cannot dump $PID: the dump was interrupted" ]] || fail "$(cat "$TEST_DIR/dump.out")"
	[ ! -e "$IMAGES/inventory.img" ] || fail "the images are taken for good ones"
	check_on a
}

@test "post-copy: the source is killed, and nobody is given zeroes" {
	hosts_begin
	start_on a mm/lazy 300
	lazy_dump
	bring
	restore_lazily
	# shellcheck disable=SC2046
	kill -KILL $(givers)
	touch "$TEST_DIR/go.1"
	until_true grep -qs "until what it has at .* can be had: the page server: " "$IMAGES/lazy.log" || fail "nothing is said: $(cat "$TEST_DIR/result")"
	[ ! -e "$TEST_DIR/result" ] || fail "it says $(cat "$TEST_DIR/result")"
	until_true is_stopped_on a || fail "it runs where it was"
}

@test "post-copy: the giver alone is killed, and the tree stands still" {
	[ -n "${SOAK:-}" ] || skip "a soak does it"
	hosts_begin
	start_on a mm/lazy 300
	lazy_dump
	bring
	restore_lazily
	kill -KILL "$(giver)"
	! wait "$DUMP" || fail "it ended well"
	[[ $(cat "$TEST_DIR/dump.out") == "cannot dump $PID: it is not known who has the tree; it stands still here"* ]] || fail "$(cat "$TEST_DIR/dump.out")"
	is_stopped_on a || fail "it runs where it was"
}

@test "post-copy: who brings pages is killed, and another takes over with a connection of its own" {
	hosts_begin
	start_on a mm/lazy 200
	lazy_dump
	bring
	restore_lazily
	kill -KILL "$(last_of "$BRINGS" | cut -d" " -f2)"
	check_on b
	grep -q "connected to .* again" "$IMAGES/lazy.log" || fail "nobody has taken over"
	ended "$DUMP" dump
}

@test "post-copy: garbage, one who leaves and a restore that fails leave all with the source; then the program goes on elsewhere" {
	hosts_begin
	start_on a mm/lazy 48
	lazy_dump
	[ "$(du -k "$IMAGES"/pages-1.img | cut -f1)" -lt 2000 ] || fail "pages are in the images"
	for bytes in 'head -c 64 /dev/urandom' 'printf 1234567' 'printf ""' 'printf "\\7\\0\\0\\0\\0\\0\\0\\0\\377\\377\\377\\377\\377\\377\\377\\377\\0\\20\\0\\0\\0\\0\\0\\0\\1\\0\\0\\0\\0\\0\\0"'; do
		on b bash -c "exec 9<>/dev/tcp/10.98.0.1/27; $bytes >&9" 3>&- || fail "it is not there any more"
	done
	bring
	on b "$STASIS" restore -d --lazy-pages -D "$IMAGES" --inject-fault finish >/dev/null 2>&1 3>&- && fail "it did not fail"
	! wait "$BRINGS" || fail "who brings pages says that all is well"
	is_on a || fail "it is gone"
	bring
	restore_lazily
	check_on b
	ended "$BRINGS" lazy
	ended "$DUMP" dump
	is_not_on a || fail "it is still there"
}

@test "post-copy: under TLS" {
	type -P openssl >/dev/null || skip "there is no openssl to make certificates with"
	authority ca
	certificate ca source IP:10.98.0.1
	certificate ca client
	hosts_begin
	start_on a mm/lazy 16
	by source
	# shellcheck disable=SC2034 # for postcopy.bash
	EXTRA=("${TLS[@]}")
	lazy_dump
	by client
	bring "${TLS[@]}"
	restore_lazily
	check_on b
	ended "$BRINGS" lazy
	ended "$DUMP" dump
}
