load ../lib

# Those of a program that did not come to its end.
remove_interfaces()
{
	local name

	for name in "st${PID}a" "st${PID}b"; do
		[ ! -e "/sys/class/net/$name" ] || ip link delete "$name"
	done
}

@test "tun: attached to interfaces that stay, and to nothing" {
	start fd/tun stays
	status=0
	{ dump_and_restore && check; } || status=$?
	remove_interfaces
	[ "$status" = 0 ]
}

@test "tun: an interface that is gone is refused" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start fd/tun stays
	dump
	until_true is_gone
	remove_interfaces
	said=$("$STASIS" restore -d -D "$IMAGES" 2>&1) && fail "it was restored"
	[ "$said" = "cannot restore '$IMAGES': fd 3 (tun) of pid $PID: the network interface 'st${PID}a' is not there any more: No such device" ] || fail "$said"
}

@test "tun: an interface that ends with the program is refused" {
	start fd/tun
	refuse "cannot dump $PID: fd 3 (tun) of pid $PID: the interface 'st${PID}a' ends with the program, which is not supported; let it stay: TUNSETPERSIST, or make it with 'ip tuntap add'"
}
