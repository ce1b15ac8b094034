# shellcheck disable=SC2153 # set by protect()
load protect.bash

@test "protect: a program that is killed goes on from the newest checkpoint" {
	protect_setup
	protect --every 50ms
	increments 4
	kill_tree
	ended 0
	tail -n 1 "$SAID" | grep -qx "pid $PID has ended; 'stasis restore -D $SAVED' starts it as it last was" || fail "it said: $(cat "$SAID")"
	start_again
	all_well "after the restore"
}

@test "protect: chain and room are bounded, and each of those kept can be started" {
	local most=0 bytes names

	protect_setup
	protect --every 20ms --keep 3
	increments 5
	for _ in {1..20}; do
		bytes=$(du -s --block-size=1 "$SAVED" 2>/dev/null | cut -f1)
		[ "$bytes" -le "$most" ] || most=$bytes
		sleep 0.05
	done
	increments 30
	stop_protecting
	names=$(folders)
	[ "$(wc -l <<<"$names")" -le 3 ] || fail "there are more than 3: $names"
	[ "$most" -lt $((64 << 20)) ] || fail "they took $most bytes"
	"$STASIS" verify "$SAVED" || fail "checksums are not right"
	for f in $names; do
		"$STASIS" verify "$f" || fail "checksums of $f are not right"
		kill_tree
		start_again "$f"
		all_well "started from $f"
	done
}

@test "protect: a single checkpoint is kept" {
	protect_setup
	protect --every 20ms --keep 1
	increments 6
	stop_protecting
	[ "$(folders | wc -l)" = 1 ] || fail "there are more: $(folders)"
	[ ! -L "$SAVED"/latest/parent ] || fail "it stands on another one"
	kill_tree
	start_again
	all_well "after the restore"
}

@test "protect: pages are merged compressed" {
	protect_setup
	protect --every 20ms --keep 2 --compress=lz4
	increments 8
	stop_protecting
	"$STASIS" verify "$SAVED" || fail "checksums are not right"
	[ -z "$(find "$SAVED" -name 'pages-*')" ] || fail "some are not compressed"
	kill_tree
	start_again
	all_well "after the restore"
}

@test "protect: equal pages are stored once, in what is merged as well" {
	protect_setup
	protect --every 20ms --keep 2 --dedup-pages
	increments 8
	stop_protecting
	"$STASIS" verify "$SAVED" || fail "checksums are not right"
	[ -z "$(find "$SAVED" -name 'pages-*')" ] || fail "some are stored as they are"
	kill_tree
	start_again
	all_well "after the restore"
}

@test "protect: memory that is saved in rounds" {
	protect_setup
	protect --every 20ms --keep 3 --freeze=precopy
	increments 8
	stop_protecting
	"$STASIS" verify "$SAVED" || fail "checksums are not right"
	kill_tree
	start_again
	all_well "after the restore"
}

@test "protect: asked to end, it leaves nothing in the program" {
	local before signal

	protect_setup
	before=$(snapshot | grep -v -e '^Vm' || true)
	for signal in INT TERM HUP; do
		protect --every 20ms
		increments 2
		stop_protecting "$signal"
		not_tracked
	done
	all_well "afterwards"
	nothing_of_ours() { [ "$(started | wc -l)" = "$(tree | wc -l)" ]; }
	until_true nothing_of_ours || fail "somebody is left: $(started)"
	[ -n "$before" ]
}

@test "protect: an increment is small, and goes on with those before" {
	local first least

	protect_setup
	protect --every 100ms
	increments 2
	stop_protecting
	protect --every 100ms
	increments 6
	stop_protecting
	head -n 1 "$SAID" | grep -qx 'continues after increment-0000[0-9]*' || fail "it said: $(cat "$SAID")"
	first=$(sed -n '2s/.*, \([0-9]*\) pages,.*/\1/p' "$SAID")
	least=$(sed -n 's/.*, \([0-9]*\) pages,.*/\1/p' "$SAID" | sort -n | head -n 1)
	[ "$first" -gt 1500 ] && [ "$least" -lt 1200 ] || fail "$(cat "$SAID")"
	kill_tree
	start_again
	all_well "after the restore"
}

@test "protect: after a restore with --track-mem it goes on with an increment" {
	local first

	protect_setup
	protect --every 100ms
	increments 3
	kill_tree
	ended 0
	quietly "$STASIS" restore -d -D "$SAVED" --track-mem -v4 -o restore.log
	protect --every 100ms
	increments 2
	stop_protecting
	first=$(sed -n '2s/.*, \([0-9]*\) pages,.*/\1/p' "$SAID")
	[ "$first" -lt 1500 ] || fail "$(cat "$SAID")"
	kill_tree
	start_again
	all_well "after the restore"
}

@test "protect: an interval that is too short for an increment is said so" {
	protect_setup
	protect --every 1ms
	increments 2
	stop_protecting
	grep -q '; longer than --every, so the next one follows at once$' "$SAID" || fail "it said: $(cat "$SAID")"
}

@test "protect: an increment that fails leaves those before, and the next one tries again" {
	local newest

	protect_setup
	protect --every 50ms
	increments 2
	kill -STOP "$PROTECTOR"
	newest=$(readlink "$SAVED"/latest)
	# In the way of one of the next.
	for i in {1..6}; do
		mkdir "$SAVED/increment-$(printf %06d $((10#${newest#increment-} + i)))" 2>/dev/null || true
	done
	mkdir "$SAVED"/increment-"$(printf %06d $((10#${newest#increment-} + 1)))"/inner 2>/dev/null || true
	kill -CONT "$PROTECTOR"
	increments 5
	grep -q '^increment-[0-9]*: create the folder .*: File exists$' "$SAID" || fail "it said: $(cat "$SAID")"
	stop_protecting
	kill_tree
	start_again
	all_well "after the restore"
}

@test "protect: what an earlier one has left half done is cleared away" {
	local newest

	protect_setup
	protect --every 20ms
	increments 3
	stop_protecting
	newest=$(readlink "$SAVED"/latest)
	mkdir "$SAVED"/merging "$SAVED"/increment-999999
	cp "$SAVED"/latest/*.img "$SAVED"/merging
	cp "$SAVED"/latest/*.img "$SAVED"/increment-999999
	ln -s increment-999999 "$SAVED"/latest.part
	protect --every 20ms
	increments 1
	stop_protecting
	[ ! -e "$SAVED"/merging ] && [ ! -e "$SAVED"/increment-999999 ] && [ ! -L "$SAVED"/latest.part ] || fail "something is left: $(ls "$SAVED")"
	grep -qx "continues after $newest" "$SAID" || fail "it said: $(cat "$SAID")"
}

@test "protect: show, verify and restore find the newest one" {
	local said

	protect_setup
	protect --every 20ms
	increments 2
	stop_protecting
	"$STASIS" verify "$SAVED" | grep -q 'all as they were written' || fail "verify does not"
	"$STASIS" show "$SAVED" | grep -q '"inventory.img"' || fail "show does not"
	"$STASIS" show --tree "$SAVED" | grep -q "$PID" || fail "show --tree does not"
	rm "$SAVED"/latest
	ln -s increment-000777 "$SAVED"/latest
	said=$("$STASIS" verify "$SAVED" 2>&1) && fail "it is taken for a good one"
	[ "$said" = "cannot verify '$SAVED': open what 'latest' leads to: No such file or directory" ] || fail "$said"
}

# says SENTENCE COMMAND...
says()
{
	local sentence=$1 said status=0

	shift
	said=$("$STASIS" "$@" 3>&- 2>&1) || status=$?
	[ "$status" = 1 ] || fail "'$*' ended with $status and said: $said"
	[ "${said%%$'\n'*}" = "$sentence" ] || fail "'$*' said: $said"
}

@test "protect: what cannot be is refused by name" {
	protect_setup
	says "option '--every': '1x' is no interval from 1ms to 24h: a number with ms, s, m or h" protect "$PID" -D "$SAVED" --every 1x
	says "option '--every': '0' is no interval from 1ms to 24h: a number with ms, s, m or h" protect "$PID" -D "$SAVED" --every 0
	says "option '--every': '-5s' is no interval from 1ms to 24h: a number with ms, s, m or h" protect "$PID" -D "$SAVED" --every=-5s
	says "option '--keep': '0' is no number of checkpoints: 1 to 100" protect "$PID" -D "$SAVED" --keep 0
	says "option '--keep': '3x' is no number of checkpoints: 1 to 100" protect "$PID" -D "$SAVED" --keep 3x
	says "'12x' is not a pid" protect 12x -D "$SAVED"
	says "'$PID' and '--tree 1' are two processes; name one" protect "$PID" -t 1 -D "$SAVED"
	says "option '--tree' is missing: the pid whose tree is to be saved" protect -D "$SAVED"
	says "option '--leave-stopped' is not for 'protect'" protect "$PID" -D "$SAVED" -s
	says "options '--every' and '--keep' are for 'protect' only" dump -t "$PID" -D "$SAVED" --keep 3
	says "cannot protect $PID: --freeze=cow cannot tell what was written since another dump; use --freeze=auto" protect "$PID" -D "$SAVED" --freeze=cow
	[ -z "$(ls -A "$SAVED")" ] || fail "something is there: $(ls -A "$SAVED")"
	mkdir "$TEST_DIR"/dump
	"$STASIS" dump -t "$PID" -D "$TEST_DIR"/dump --leave-running
	says "cannot protect $PID: '$TEST_DIR/dump': it holds the images of a dump; use a directory that is empty" protect "$PID" -D "$TEST_DIR"/dump
	all_well "afterwards"
}

@test "protect: a directory of another process, or of one at work, is refused" {
	local other

	protect_setup
	protect --every 50ms
	increments 1
	says "cannot protect $PID: '$SAVED': another 'stasis protect' writes to it" protect "$PID" -D "$SAVED"
	stop_protecting
	sleep 100 &
	other=$!
	says "cannot protect $other: '$SAVED': it holds the checkpoints of pid $PID; use another directory, or remove them" protect "$other" -D "$SAVED"
	kill "$other"
	all_well "afterwards"
}
