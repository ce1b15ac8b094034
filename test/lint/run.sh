#!/usr/bin/env bash
# Every check of the source; each says what it has found, and one finding is enough to fail.
# shellcheck disable=SC2317 # the checks are called by name, at the end
set -u
cd "$(dirname "$0")/../.." || exit 1

list() { git ls-files -co --exclude-standard -- "$@" | sort -u | while read -r f; do [ -e "$f" ] && echo "$f"; done; }
mapfile -t scripts < <(list '*.sh' '*.bash' .ci/run)
mapfile -t bats_files < <(list '*.bats')

budgets() { python3 test/lint/budgets.py; }
includes() { python3 test/lint/includes.py; }
layout() { python3 test/lint/layout.py; }
format() { python3 test/lint/format.py; }

shell()
{
	shellcheck -x "${scripts[@]}" || return 1
	# 'run' and the variables that bats and the harness set are not seen from a single file.
	[ ${#bats_files[@]} -eq 0 ] || shellcheck -e SC2030,SC2031,SC2154,SC2155,SC1091 "${bats_files[@]}"
}

# Victims do on purpose what a program should not; the compiler's own warnings are enough for them.
static()
{
	mapfile -t ours < <(list '*.c' | grep -v '^test/')
	[ ${#ours[@]} -eq 0 ] || cppcheck -q -j 2 --std=c11 --enable=warning,portability --inline-suppr \
		--suppressions-list=test/lint/cppcheck.txt --error-exitcode=1 -D__x86_64__ -D__GNUC__ -I. "${ours[@]}"
}

status=0
for check in budgets includes layout format shell static; do
	if said=$($check 2>&1); then
		echo "lint: $check: clean"
	else
		printf 'lint: %s:\n%s\n' "$check" "$said"
		status=1
	fi
done
exit $status
