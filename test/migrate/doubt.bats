# The link is lost between the word that the tree is given up and the word that it is taken.
load ../lib
load hosts

COMMIT=12 OWNED=13

# lost KIND [WHO]: the message does not get through; WHO: the processes of that name are killed meanwhile.
lost()
{
	LINK_CUT=$1:$TEST_DIR/cut move a b >"$TEST_DIR/said" 2>&1 &
	until_true test -e "$TEST_DIR/cut" || fail "it does not come as far: $(cat "$TEST_DIR/said")"
	on a grep -q '^State:.t' /proc/"$PID"/status
	if [ -n "${2:-}" ]; then
		on a pkill -KILL -f "^$STASIS $2 $PID" || fail "nobody was killed"
		until_true on a grep -q '^State:.T' /proc/"$PID"/status || fail "it runs, and was given up"
	fi
	touch "$TEST_DIR/cut.go"
	wait $! || STATUS=$?
}

given()
{
	ID=$(on a "$STASIS" migrate --status | sed -n 's/^\([0-9a-f]*\) source given: it stands still here .*/\1/p')
	[ -n "$ID" ] || fail "$(on a "$STASIS" migrate --status)"
}

@test "migrate: the word that it is given up is lost" {
	hosts_begin
	start_on a mm/anon
	lost $COMMIT
	[ "$STATUS" = 1 ]
	until_true runs_on a || fail "it does not run here: $(cat "$TEST_DIR/said")"
	is_not_on b
	[[ $(on b "$STASIS" migrate --status) = *" target aborted: "* ]]
	moved a b
	check_on b
}

@test "migrate: the word that it is taken is lost" {
	hosts_begin
	start_on a mm/anon
	lost $OWNED
	[ "${STATUS:-0}" = 0 ] || fail "$(cat "$TEST_DIR/said")"
	is_not_on a
	check_on b
}

@test "migrate: that word is lost, and whoever has given it is killed" {
	hosts_begin
	start_on a mm/anon
	lost $COMMIT migrate
	given
	until_true is_not_on b || fail "it is there"
	on a "$STASIS" migrate --resume "$ID"
	until_true runs_on a || fail "it does not run here"
	! on a "$STASIS" migrate --status | grep -q given || fail "it is still given"
	rm "$TEST_DIR"/cut*
	lost $OWNED migrate
	given
	SAID=$(on a "$STASIS" migrate --abort "$ID" 2>&1) && fail "it was not too late: $SAID"
	[[ $SAID = *"cannot abort migration $ID: it is too late: the tree has moved"* ]] || fail "$SAID"
	until_true is_not_on a || fail "it is here as well"
	check_on b
}
