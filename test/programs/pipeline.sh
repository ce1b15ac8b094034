#!/usr/bin/env bash
# A pipeline that is saved while its first part still writes; what comes out at the end goes to the file $1.
produce()
{
	local i

	for ((i = 0; i < 240000; i++)); do
		echo "$((i * 7919 % 10007)) line $i"
		[ "$i" != 25000 ] || touch "${VICTIM_READY:-/dev/null}${VICTIM_READY:+.1}"
	done
}
set -o pipefail
produce | tee >(wc -lc >"$1.count") | sed 's/line/LINE/' | sort -n -k1,1 -k3,3 |
	awk '{ sum[$1 % 10] += $3 } { print } END { for (i = 0; i < 10; i++) print i, sum[i] }' | sha256sum >"$1"
status=("${PIPESTATUS[@]}")
wait
echo "${status[*]}" >>"$1"
