# runc in the sandbox, and what it is to run. Load it behind sandbox.

# bundle COMMAND...: what the container runs.
bundle()
{
	command -v runc >/dev/null || skip "there is no runc"
	sandbox_begin
	ROOT=$TEST_DIR/bundle/rootfs
	rootfs "$ROOT"
	(cd "$TEST_DIR/bundle" && runc spec)
	python3 - "$TEST_DIR/bundle/config.json" "$@" <<-'PY'
		import json, sys
		c = json.load(open(sys.argv[1]))
		c['process'].pop('rlimits', None)
		c['process']['terminal'] = False
		c['process']['args'] = sys.argv[2:]
		c['root']['readonly'] = False
		json.dump(c, open(sys.argv[1], 'w'), indent=1)
	PY
}

runc_()
{
	inside runc --root /run/runc --log "$TEST_DIR/runc.log" "$@" </dev/null >"$TEST_DIR/said" 2>&1 3>&- ||
		fail "runc $*: $(cat "$TEST_DIR/said" "$TEST_DIR/runc.log")"
}
