#!/usr/bin/env bash
# Installs what is missing from Debian's packages, and does nothing, fast, when all is there.
# The packages for building and for the demo are always looked for, those for linting with the word 'lint', for
# running other kernels with 'vm', and with 'check' the large programs that are saved and restored in tests, unless
# some other node or java is there. None of these is started.
set -eu

packages=(
	gcc make libc6-dev pkg-config protobuf-c-compiler libprotobuf-c-dev libnl-3-dev libcap-dev libzstd-dev liblz4-dev libxxhash-dev libbpf-dev
	libnftables-dev libarchive-dev libgnutls28-dev
	bats procps util-linux python3 perl sqlite3 xz-utils iproute2 nftables
)
case ${1:-} in
lint) packages+=(clang-format cppcheck shellcheck) ;;
check)
	command -v node >/dev/null || packages+=(nodejs)
	command -v javac >/dev/null || packages+=(default-jdk-headless)
	command -v redis-server >/dev/null || packages+=(redis-server)
	packages+=(nginx postgresql memcached openssh-server openssh-client tmux vim openssl)
	packages+=(runc podman containerd docker.io busybox-static)
	;;
vm)
	packages+=(qemu-system-x86 qemu-system-common kmod cpio)
	# A part of qemu until Debian 12.
	if apt-cache show virtiofsd >/dev/null 2>&1; then packages+=(virtiofsd); fi
	;;
esac

missing=()
for p in "${packages[@]}"; do
	case $(dpkg-query -W -f='${Status}' "$p" 2>/dev/null) in
	*"ok installed") ;;
	*) missing+=("$p") ;;
	esac
done
[ ${#missing[@]} -eq 0 ] && exit 0

sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# Servers are not started by their packages: they ask this script, unless there is one already.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	trap '$sudo rm -f $policy' EXIT
	printf '#!/bin/sh\nexit 101\n' | $sudo install -m 0755 /dev/stdin $policy
fi
$sudo apt-get update -q >/dev/null
$sudo apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null
