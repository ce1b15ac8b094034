load served

answers()
{
	there bash -c 'exec 9<>/dev/tcp/10.99.0.1/22' 2>/dev/null
}

@test "sshd: shells in terminals, commands at pipes, commands anew over an old connection" {
	net_begin
	mkdir -p /run/sshd
	ssh-keygen -q -t ed25519 -N '' -f "$TEST_DIR"/host
	ssh-keygen -q -t ed25519 -N '' -f "$TEST_DIR"/key
	# With such a level bash does not look what is in .bashrc, which can be anything.
	cat >"$TEST_DIR"/sshd_config <<-CONFIG
		ListenAddress 10.99.0.1
		HostKey $TEST_DIR/host
		AuthorizedKeysFile $TEST_DIR/key.pub
		StrictModes no
		UsePAM yes
		PidFile none
		SetEnv SHLVL=9
	CONFIG
	cat >"$TEST_DIR"/ssh_config <<-CONFIG
		Host *
		HostName 10.99.0.1
		IdentityFile $TEST_DIR/key
		IdentitiesOnly yes
		UserKnownHostsFile $TEST_DIR/known
		StrictHostKeyChecking accept-new
		LogLevel ERROR
		ControlPath $TEST_DIR/control
	CONFIG
	serve /usr/sbin/sshd -D -e -f "$TEST_DIR"/sshd_config
	until_true answers || fail "$(cat "$TEST_DIR"/err)"
	client sessions python3 "$BATS_TEST_DIRNAME"/sshd_sessions.py
	rounds
	ended sessions
	! grep -Ei 'fatal|corrupt|bad packet' "$TEST_DIR"/err || fail "it complains"
}
