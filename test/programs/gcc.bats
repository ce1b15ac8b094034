load ../lib

compile=(gcc -O2 -pipe -c)

# The compiler proper, which has much to do yet, is a child of gcc, at a pipe to the assembler.
compiler_works()
{
	local pid

	pid=$(pgrep -P "$PID" -x cc1) || return 1
	# User time, in hundredths of a second.
	[ "$(cut -d' ' -f14 /proc/"$pid"/stat)" -ge 40 ]
} 2>/dev/null

@test "gcc: a large file compiles to the same object" {
	cd "$TEST_DIR"
	awk -v n=100 -f "$BATS_TEST_DIRNAME/source.awk" >large.c
	"${compile[@]}" large.c -o undisturbed.o
	launch "${compile[@]}" large.c -o disturbed.o
	until_true compiler_works
	carry_over
	until_true is_gone
	cmp undisturbed.o disturbed.o
	nothing_left
}
