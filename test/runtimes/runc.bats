# runc as Debian has it, with stasis under the name criu.
load ../lib
load sandbox

bundle()
{
	command -v runc >/dev/null || skip "there is no runc"
	sandbox_begin
	ROOT=$TEST_DIR/bundle/rootfs
	rootfs "$ROOT"
	(cd "$TEST_DIR/bundle" && runc spec)
	configure "c['process'].pop('rlimits', None)" "c['process']['terminal'] = False" "c['process']['args'] = ['/count']" \
		"c['root']['readonly'] = False"
}

# configure STATEMENT...: about c, what config.json holds.
configure()
{
	python3 - "$TEST_DIR/bundle/config.json" "$@" <<-'PY'
		import json, sys
		c = json.load(open(sys.argv[1]))
		for statement in sys.argv[2:]:
		    exec(statement)
		json.dump(c, open(sys.argv[1], 'w'), indent=1)
	PY
}

runc_()
{
	inside runc --root /run/runc --log "$TEST_DIR/runc.log" "$@" </dev/null >"$TEST_DIR/said" 2>&1 3>&- ||
		fail "runc $*: $(cat "$TEST_DIR/said" "$TEST_DIR/runc.log")"
}

run_it()
{
	runc_ run -d -b "$TEST_DIR/bundle" "$@" c1
	until_true counts "$ROOT" || fail "it does not count"
}

status()
{
	inside runc --root /run/runc state c1 | sed -n 's/.*"status": "\(.*\)".*/\1/p'
}

checkpoint()
{
	runc_ checkpoint --image-path "$TEST_DIR/image" --work-path "$TEST_DIR/work" "$@" c1
}

restore_it()
{
	runc_ restore -d -b "$TEST_DIR/bundle" --image-path "$TEST_DIR/image" --work-path "$TEST_DIR/work" "$@" c1
	[ "$(status)" = running ] || fail "it is $(status)"
	until_true counts "$ROOT" || fail "it does not count on from $COUNT"
}

# What it has counted so far: a container that began anew would have less.
looks_on()
{
	COUNT=$(cat "$ROOT/tmp/count")
}

@test "runc: checkpoint and restore, three times" {
	local i

	bundle
	run_it
	for i in 1 2 3; do
		checkpoint
		looks_on
		rm -rf "$TEST_DIR/image.$i"
		restore_it
		mv "$TEST_DIR/image" "$TEST_DIR/image.$i"
	done
	runc_ kill c1 KILL
}

@test "runc: checkpoint and leave it running" {
	bundle
	run_it
	checkpoint --leave-running
	looks_on
	until_true counts "$ROOT" || fail "it does not run on"
	[ "$(status)" = running ]
	runc_ kill c1 KILL
}

@test "runc: a pre-dump, and a checkpoint that stands on it" {
	bundle
	run_it
	runc_ checkpoint --pre-dump --image-path "$TEST_DIR/before" --work-path "$TEST_DIR/work" c1
	checkpoint --parent-path ../before
	looks_on
	restore_it
	runc_ kill c1 KILL
}
