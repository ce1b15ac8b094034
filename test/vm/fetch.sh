#!/usr/bin/env bash
# Downloads the kernels that the tests are run under and unpacks them, without installing anything:
# build/vm/6.1 and build/vm/6.12. Does nothing, fast, when they are there.
#
#   test/vm/fetch.sh [6.1] [6.12]
#
# What this machine's apt does not know is looked for in Debian 12 by an apt of our own, below build/vm.
set -eu
cd "$(dirname "$0")/../.."
vm=$PWD/build/vm
mkdir -p "$vm"

meta_package()
{
	case $1 in
	6.1) echo linux-image-cloud-amd64 ;;
	6.12) echo linux-image-6.12-cloud-amd64 ;;
	*) echo "no kernel is called '$1'; there are 6.1 and 6.12" >&2 && return 1 ;;
	esac
}

# The newest package of this kernel; none: nothing.
package_of()
{
	apt-cache "${options[@]}" depends "$(meta_package "$1")" 2>/dev/null | sed -n "s/.*Depends: \(linux-image-$1\.[0-9].*\)/\1/p;T;q"
}

use_own_apt()
{
	local etc=$vm/apt

	mkdir -p "$etc/parts" "$etc/lists/partial" "$etc/cache/archives/partial"
	cat >"$etc/parts/debian.sources" <<-END
		Types: deb
		URIs: http://deb.debian.org/debian
		Suites: bookworm bookworm-backports
		Components: main
		Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

		Types: deb
		URIs: http://deb.debian.org/debian-security
		Suites: bookworm-security
		Components: main
		Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
	END
	options=(-o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$etc/parts" -o Dir::State::Lists="$etc/lists"
		-o Dir::Cache="$etc/cache" -o APT::Architecture=amd64 -o APT::Sandbox::User=)
	apt-get "${options[@]}" update -qq
}

download()
{
	local package

	package=$(package_of "$1")
	[ -n "$package" ] && echo "downloading $package" && apt-get "${options[@]}" download -qq -o APT::Sandbox::User= "$package"
}

fetch()
{
	local new=$vm/$1.new version

	rm -rf "$new"
	mkdir "$new"
	cd "$new"
	options=()
	download "$1" 2>/dev/null || { use_own_apt && download "$1"; } || {
		echo "Debian has no kernel $1 any more" >&2
		return 1
	}
	dpkg -x linux-image-*.deb .
	rm linux-image-*.deb
	version=$(ls lib/modules)
	depmod -b "$new" "$version"
	ln -s "boot/vmlinuz-$version" vmlinuz
	rm -rf "${vm:?}/$1"
	mv "$new" "$vm/$1"
	echo "$1: $version"
}

[ $# -gt 0 ] || set -- 6.1 6.12
for kernel in "$@"; do
	meta_package "$kernel" >/dev/null
	[ -e "$vm/$kernel/vmlinuz" ] || (fetch "$kernel")
done
