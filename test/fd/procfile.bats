load ../lib

@test "procfile: of itself, of its threads and children, and of those that are gone" {
	start fd/procfile
	dump_and_restore
	check
}

# A process outside of the tree, OTHER.
begin()
{
	sleep 60 3>&- &
	OTHER=$!
	start fd/procfile outside "$OTHER"
}

@test "procfile: of a process outside, which is still there" {
	begin
	dump_and_restore
	check
}

fails()
{
	said=$("$STASIS" restore -d -D "$IMAGES" -o restore.log 3>&- 2>&1) && fail "it worked"
	[ "$said" = "cannot restore '$IMAGES': fd 3 (regfile) of pid $PID: $1" ] || fail "$said"
	nothing_left
}

end_other()
{
	kill "$OTHER"
	wait "$OTHER" || true
}

@test "procfile: of a process outside that is gone" {
	begin
	dump
	until_true is_gone
	end_other
	fails "open '/proc/$OTHER': No such file or directory"
}

@test "procfile: of a process outside whose number another one has" {
	begin
	dump
	until_true is_gone
	end_other
	env -u TEST_DIR "$BUILD/test/fd/procfile" take "$OTHER" 3>&-
	fails "'/proc/$OTHER/stat' was of another process, which is gone"
	kill "$OTHER"
}
