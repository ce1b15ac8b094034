load moment.bash

# rounds COUNT: how many times the program is looked at before the end.
rounds()
{
	start freeze/moment "$2" full "$MOMENT_SIZE" "$1"
}

dump_twice_and_let_run()
{
	rounds 1 all
	sleep 0.3
	dump --leave-running "${FREEZE_OPTIONS[@]}"
	sleep 0.1
	go
	sleep 0.1
	dump --leave-running "${FREEZE_OPTIONS[@]}"
	check
}

restore_what_ran_on()
{
	rounds 1 all
	sleep 0.3
	dump --leave-running "${FREEZE_OPTIONS[@]}"
	sleep 0.1
	next_images again
	dump_and_restore "${FREEZE_OPTIONS[@]}"
	go
	check
}

# The first images are of a moment that is long gone; the program that wrote them is too.
restore_the_first()
{
	local first=$IMAGES

	rounds 0 all
	sleep 0.3
	dump --leave-running "${FREEZE_OPTIONS[@]}"
	sleep 0.2
	next_images again
	carry_images "$first"
	check
}

carry_images()
{
	[ -z "${PLAIN:-}" ] || return 0
	dump
	until_true is_gone || fail "pid $PID still runs after the dump"
	IMAGES=$1
	restore
}

five_in_a_row()
{
	rounds 5 "$1"
	for _ in 1 2 3 4 5; do
		sleep 0.1
		dump_and_restore "${FREEZE_OPTIONS[@]}"
		go
	done
	check
}

@test "rounds: two dumps that leave it running change nothing" {
	each_way_alone dump_twice_and_let_run
}

@test "rounds: a dump that leaves it running, and another one that is restored" {
	each_way_alone restore_what_ran_on
}

@test "rounds: the first of two dumps is restored" {
	each_way_alone restore_the_first
}

@test "rounds: five in a row, nothing but writing" {
	each_way_alone five_in_a_row none
}

@test "rounds: five in a row, all at once" {
	each_way_alone five_in_a_row all
}
