# containerd as Debian has it, by ctr, with stasis under the name criu.
load ../lib
load sandbox

containerd_begin()
{
	command -v containerd >/dev/null || skip "there is no containerd"
	sandbox_begin
	mkdir -p "$TEST_DIR/rootfs" "$TEST_DIR/containerd"
	cat >"$TEST_DIR/containerd/config.toml" <<-C
		version = 2
		root = "$TEST_DIR/containerd/root"
		state = "/run/containerd-state"
		disabled_plugins = ["io.containerd.grpc.v1.cri"]
		[grpc]
		address = "/run/containerd.sock"
	C
	inside containerd -c "$TEST_DIR/containerd/config.toml" </dev/null >"$TEST_DIR/containerd.log" 2>&1 3>&- &
	until_true ctr_answers || fail "containerd does not come up: $(tail "$TEST_DIR/containerd.log")"
	rootfs "$TEST_DIR/rootfs"
	image_of "$TEST_DIR/rootfs" "$TEST_DIR/bb.tar"
	ctr_ image import --snapshotter native "$TEST_DIR/bb.tar"
	ctr_ run -d --snapshotter native --null-io docker.io/library/bb:latest c1 /count
	until_true goes_on || fail "it does not count"
}

ctr_answers()
{
	inside ctr -a /run/containerd.sock version >/dev/null 2>&1 </dev/null 3>&-
}

ctr_()
{
	inside ctr -a /run/containerd.sock "$@" </dev/null >"$TEST_DIR/said" 2>&1 3>&- ||
		fail "ctr $*: $(cat "$TEST_DIR/said"; tail -n 20 "$TEST_DIR/containerd.log")"
}

goes_on()
{
	local now

	EXECS=$((${EXECS:-0} + 1))
	now=$(inside ctr -a /run/containerd.sock task exec --exec-id "x$EXECS" c1 cat /tmp/count 2>/dev/null </dev/null 3>&-)
	[ -n "$now" ] && [ "$now" -gt "${COUNT:-0}" ] && COUNT=$now
}

@test "containerd: checkpoint and restore by ctr" {
	containerd_begin
	ctr_ container checkpoint --rw --task --image c1 point
	ctr_ task kill -s KILL c1
	until_true ctr_ task rm c1
	ctr_ container rm c1
	ctr_ container restore --rw --live c1 point
	until_true goes_on || fail "it does not count on from $COUNT"
	ctr_ task kill -s KILL c1
}
