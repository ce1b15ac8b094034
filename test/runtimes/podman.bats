# podman as Debian has it, over runc, with stasis under the name criu.
load ../lib
load sandbox

podman_begin()
{
	command -v podman >/dev/null || skip "there is no podman"
	command -v runc >/dev/null || skip "there is no runc"
	sandbox_begin
	# What it writes into these is looked for from outside.
	mkdir -p "$TEST_DIR"/storage "$TEST_DIR/conf" "$TEST_DIR/rootfs"
	cat >"$TEST_DIR/conf/containers.conf" <<-'C'
		[containers]
		default_ulimits = []
		pids_limit = 0
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
	C
	printf '[storage]\ndriver = "vfs"\ngraphroot = "%s/storage"\nrunroot = "/run/storage"\n' "$TEST_DIR" >"$TEST_DIR/conf/storage.conf"
	export CONTAINERS_CONF=$TEST_DIR/conf/containers.conf CONTAINERS_STORAGE_CONF=$TEST_DIR/conf/storage.conf
	# It takes the layout of version 2 for a mixture that it does not know.
	inside umount /sys/fs/cgroup/unified 2>/dev/null || true
	rootfs "$TEST_DIR/rootfs"
	image_of "$TEST_DIR/rootfs" "$TEST_DIR/bb.tar"
	podman_ load -i "$TEST_DIR/bb.tar"
	podman_ run -d --name c1 --ulimit host --network host bb /count
	until_true goes_on || fail "it does not count"
}

podman_()
{
	inside podman --runtime runc --log-level error "$@" </dev/null >"$TEST_DIR/said" 2>&1 3>&- ||
		fail "podman $*: $(cat "$TEST_DIR/said"; find "$TEST_DIR/storage" -name '*.log' -exec tail -n 30 {} \;)"
}

count_of()
{
	inside podman --runtime runc exec "${1:-c1}" cat /tmp/count 2>/dev/null </dev/null 3>&-
}

goes_on()
{
	local now

	now=$(count_of "$@")
	[ -n "$now" ] && [ "$now" -gt "${COUNT:-0}" ] && COUNT=$now
}

@test "podman: checkpoint and restore" {
	podman_begin
	podman_ container checkpoint c1
	podman_ container restore c1
	until_true goes_on || fail "it does not count on from $COUNT"
	podman_ kill c1
}

@test "podman: checkpoint --export, and restore --import under another name" {
	podman_begin
	podman_ container checkpoint --export "$TEST_DIR/c1.tar.gz" c1
	podman_ rm -f c1
	podman_ container restore --import "$TEST_DIR/c1.tar.gz" --name c2
	until_true goes_on c2 || fail "it does not count on from $COUNT"
	podman_ kill c2
}

@test "podman: a pre-checkpoint, and a checkpoint that stands on it" {
	podman_begin
	podman_ container checkpoint --pre-checkpoint --export "$TEST_DIR/before.tar.gz" c1
	podman_ container checkpoint --with-previous --export "$TEST_DIR/c1.tar.gz" c1
	podman_ rm -f c1
	podman_ container restore --import "$TEST_DIR/c1.tar.gz" --import-previous "$TEST_DIR/before.tar.gz"
	until_true goes_on || fail "it does not count on from $COUNT"
	podman_ kill c1
}
