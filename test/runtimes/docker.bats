# Docker's engine as Debian has it, with stasis under the name criu. It keeps checkpoints in its experimental mode only.
load ../lib
load sandbox

docker_begin()
{
	if ! command -v dockerd >/dev/null || ! command -v docker >/dev/null; then skip "there is no docker"; fi
	sandbox_begin
	mkdir -p "$TEST_DIR/rootfs" "$TEST_DIR/docker"
	# Without networks of its own, which would have it set up filters; and limits that nobody here may raise.
	cat >"$TEST_DIR/docker/daemon.json" <<-C
		{"experimental": true, "data-root": "$TEST_DIR/docker/data", "exec-root": "/run/docker", "pidfile": "/run/docker.pid",
		 "hosts": ["unix:///run/docker.sock"], "bridge": "none", "iptables": false, "ip6tables": false, "storage-driver": "vfs",
		 "exec-opts": ["native.cgroupdriver=cgroupfs"]}
	C
	inside umount /sys/fs/cgroup/unified 2>/dev/null || true
	inside dockerd --config-file "$TEST_DIR/docker/daemon.json" </dev/null >"$TEST_DIR/dockerd.log" 2>&1 3>&- &
	until_true docker_answers || skip "docker's engine does not start here: $(grep -m 1 level=fatal "$TEST_DIR/dockerd.log" || tail -n 1 "$TEST_DIR/dockerd.log")"
	rootfs "$TEST_DIR/rootfs"
	image_of "$TEST_DIR/rootfs" "$TEST_DIR/bb.tar"
	docker_ load -i "$TEST_DIR/bb.tar"
	docker_ run -d --name c1 --network "${1:-none}" bb /count
	until_true goes_on || fail "it does not count"
}

docker_answers()
{
	inside docker -H unix:///run/docker.sock version >/dev/null 2>&1 </dev/null 3>&-
}

docker_()
{
	inside docker -H unix:///run/docker.sock "$@" </dev/null >"$TEST_DIR/said" 2>&1 3>&- ||
		fail "docker $*: $(cat "$TEST_DIR/said"; tail -n 20 "$TEST_DIR/dockerd.log")"
}

goes_on()
{
	local now

	now=$(inside docker -H unix:///run/docker.sock exec c1 cat /tmp/count 2>/dev/null </dev/null 3>&-)
	[ -n "$now" ] && [ "$now" -gt "${COUNT:-0}" ] && COUNT=$now
}

# The engine leaves what it has told its containerd of a checkpoint there for some time, and then cannot tell it again ("already exists").
forget_blobs()
{
	local ctr=(inside ctr -a /run/docker/containerd/containerd.sock -n moby content)

	"${ctr[@]}" ls -q </dev/null 2>/dev/null 3>&- | while read -r blob; do
		"${ctr[@]}" rm "$blob" >/dev/null </dev/null 3>&-
	done
}

@test "docker: checkpoint and start from it" {
	docker_begin none
	docker_ checkpoint create c1 point
	forget_blobs
	docker_ start --checkpoint point c1
	until_true goes_on || fail "it does not count on from $COUNT"
	docker_ kill c1
}

@test "docker: a checkpoint that leaves it running, in the network of the machine" {
	docker_begin host
	docker_ checkpoint create --leave-running c1 point
	until_true goes_on || fail "it does not count on from $COUNT"
	docker_ kill c1
}
