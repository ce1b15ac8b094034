load ../lib
load criu

@test "criu: UNIX sockets, dumped by us" { to_criu compat/unixsk; }
@test "criu: UNIX sockets, restored by us" { from_criu compat/unixsk; }
