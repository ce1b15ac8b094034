# What the tests of requests have in common: the client, and requests as runtimes send them.

# ask [OPTIONS] swrk|SOCKET REQUEST...: what the client prints goes to $SAID.
ask()
{
	SAID=$(timeout 100 python3 test/rpc/client.py "$@" 3>&- 2>"$TEST_DIR/client.err") || fail "$(cat "$TEST_DIR/client.err")"
}

# says LINE...: the client has printed exactly these lines; each is a pattern.
says()
{
	local line i=0 said=()

	mapfile -t said <<<"$SAID"
	for line in "$@"; do
		# shellcheck disable=SC2053 # patterns
		[[ ${said[i]:-} == $line ]] || fail "instead of '$line': ${said[i]:-} of $SAID"
		i=$((i + 1))
	done
	[ "$i" = "${#said[@]}" ] || fail "too much: $SAID"
}

# tells PATTERN: somewhere in what the client has printed.
tells()
{
	# shellcheck disable=SC2053
	[[ $SAID == *$1* ]] || fail "$SAID"
}

# request TYPE [FIELDS]: with the directory of images, logs as runtimes have them, and more fields of opts.
request()
{
	local log=dump.log

	[ "$1" != RESTORE ] || log=restore.log
	printf '{"type":"%s","opts":{"images_dir_fd":"%s","log_level":4,"log_file":"%s"%s}}' "$1" "$IMAGES" "$log" "${2:+,$2}"
}

# runc_dump [FIELDS], runc_restore [FIELDS], crun_dump, crun_restore: everything that these send for a process.
runc_dump()
{
	request DUMP '"work_dir_fd":"'"$TEST_DIR"'","root":"/","manage_cgroups":1,"notify_scripts":1,"pid":'"$PID"',"leave_running":0,
		"tcp_established":0,"ext_unix_sk":0,"shell_job":0,"file_locks":0,"empty_ns":0,"orphan_pts_master":1,"auto_dedup":0,
		"lazy_pages":0,"timeout":'"$TIMEOUT"',"config_file":"/etc/criu/runc.conf"'"${1:+,$1}"
}

# The line of version 2, or of all hierarchies, as runc has them from /proc.
cgroup_roots()
{
	local controllers path all=

	while IFS=: read -r _ controllers path; do
		all="$all${all:+,}{\"ctrl\":\"$controllers\",\"path\":\"$path\"}"
	done </proc/self/cgroup
	echo "[$all]"
}

runc_restore()
{
	request RESTORE '"work_dir_fd":"'"$TEST_DIR"'","evasive_devices":1,"rst_sibling":1,"manage_cgroups":1,"notify_scripts":1,
		"tcp_established":0,"ext_unix_sk":0,"shell_job":0,"file_locks":0,"empty_ns":0,"orphan_pts_master":1,"auto_dedup":0,
		"lazy_pages":0,"config_file":"/etc/criu/runc.conf","cg_root":'"$(cgroup_roots)${1:+,$1}"
}

crun_dump()
{
	request DUMP '"work_dir_fd":"'"$TEST_DIR"'","pid":'"$PID"',"leave_running":0,"ext_unix_sk":0,"shell_job":0,"tcp_established":0,
		"file_locks":0,"manage_cgroups":1,"manage_cgroups_mode":3,"orphan_pts_master":1,"timeout":'"$TIMEOUT"
}

crun_restore()
{
	request RESTORE '"work_dir_fd":"'"$TEST_DIR"'","ext_unix_sk":0,"shell_job":0,"tcp_established":0,"file_locks":0,
		"manage_cgroups":1,"manage_cgroups_mode":3,"orphan_pts_master":1,"notify_scripts":1,"rst_sibling":1'
}

# serve [OPTIONS]: a service, until it takes requests.
serve()
{
	SOCKET=$TEST_DIR/socket
	mkfifo "$TEST_DIR/ready.service"
	# shellcheck disable=SC2016
	launch sh -c 'exec 9>"$TEST_DIR/ready.service" && exec "$@"' sh "$STASIS" service --address "$SOCKET" -W "$TEST_DIR" \
		-o service.log --status-fd 9 "$@"
	# shellcheck disable=SC2034 # for tests
	SERVICE=$PID
	read -r -d '' -t 30 _ <"$TEST_DIR/ready.service" || fail "no service: $(cat "$TEST_DIR/err")"
}
