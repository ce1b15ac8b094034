#!/usr/bin/env bats
# The command line as a user meets it: usage, version, refusals, directories, logs, check, cpuinfo.

load lib

# says STATUS SENTENCE COMMAND...: exactly this, on both outputs together.
says()
{
	local status=0 wanted=$1 sentence=$2 said

	shift 2
	said=$("$@" 2>&1) || status=$?
	[ "$status" = "$wanted" ] || fail "'${*:1:3}' ended with $status and said: $said"
	[ "$said" = "$sentence" ] || fail "'${*:1:3}' said: $said"
}

# as_criu ARGUMENTS...: the same program under the other name.
as_criu()
{
	ln -sf "$STASIS" "$TEST_DIR/criu"
	"$TEST_DIR/criu" "$@"
}

@test "cli: without arguments there is the usage, and status 1" {
	local said

	said=$("$STASIS" 2>"$TEST_DIR/err") && fail "status 0"
	[ ! -s "$TEST_DIR/err" ]
	[ "${said:1:6}" = Usage: ]
	[ "${said##*$'\n'}" = "Try -h|--help for more info" ]
	[ "$(grep -c '^Commands:$' <<<"$said")" = 1 ]
}

@test "cli: getopt's complaint goes to stderr, the usage to stdout" {
	"$STASIS" dump --frobnicate >"$TEST_DIR/out" 2>"$TEST_DIR/err" && fail "status 0"
	[ "$(<"$TEST_DIR/err")" = "$STASIS: unrecognized option '--frobnicate'" ]
	grep -q '^Usage:$' "$TEST_DIR/out"
}

@test "cli: help wins over every mistake" {
	local said

	said=$("$STASIS" frobnicate --nonsense --help 2>&1)
	grep -q -- '-t, --tree PID' <<<"$said"
	grep -q -- 'clone3_set_tid' <<<"$said"
}

@test "cli: the version, under both names" {
	local own

	own=$("$STASIS" --version)
	[ "${own%% *}" = stasis ]
	[ "$(as_criu -V | head -n 1)" = "Version: 4.2" ]
	says 0 "$own" "$STASIS" restore -V
}

@test "cli: under the name of criu it does the same" {
	says 1 "option '--tree' is missing: the pid whose tree is to be saved" as_criu dump
	says 0 "kcmp is supported" as_criu check --feature kcmp -D "$TEST_DIR"
}

@test "cli: an option that we lack is refused by name" {
	says 1 "option '--libdir' is not supported yet: there are no plugins" \
		"$STASIS" dump -t 1 --libdir x
	says 1 "option '--unprivileged' is not supported yet: stasis has to be started by root" \
		"$STASIS" dump -t 1 --unprivileged
}

@test "cli: every option that we lack is refused" {
	local name said

	for name in $("$STASIS" --help | sed -n '/^Options of CRIU/,/^$/p' | grep '^  '); do
		said=$("$STASIS" check "--$name=x" 2>&1) || true
		[ "${said#*"doesn't allow an argument"}" = "$said" ] || said=$("$STASIS" check "--$name" 2>&1) || true
		[ "${said#"option '--$name' is not supported yet: "}" != "$said" ] || fail "$name: $said"
	done
}

@test "cli: a command that we lack is refused by name" {
	says 255 "command 'exec' is not supported: it is deprecated and does nothing" "$STASIS" exec
}

@test "cli: a directory that is not there" {
	says 1 "cannot dump: open directory '$TEST_DIR/no': No such file or directory" \
		"$STASIS" dump -t 1 -D "$TEST_DIR/no"
	says 1 "cannot restore: open directory '$TEST_DIR/no': No such file or directory" \
		"$STASIS" restore -D "$TEST_DIR" -W "$TEST_DIR/no"
	says 1 "cannot restore: create log 'no/log': No such file or directory" \
		"$STASIS" restore -D "$TEST_DIR" -o no/log
}

@test "cli: who is not privileged is told so" {
	says 1 "cannot check: CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE is needed; run as root" \
		setpriv --reuid 65534 --clear-groups "$STASIS" check -D "$TEST_DIR"
	says 1 "cannot check: CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE is needed; run as root" \
		setpriv --bounding-set -sys_admin,-checkpoint_restore "$STASIS" check -D "$TEST_DIR"
	setpriv --reuid 65534 --clear-groups "$STASIS" --version
}

@test "cli: the log is in the work directory, private, and has the error" {
	mkdir "$TEST_DIR/work"
	"$STASIS" restore -D "$IMAGES" -W "$TEST_DIR/work" -o log -v4 2>"$TEST_DIR/err" && fail "status 0"
	[ "$(stat -c %a "$TEST_DIR/work/log")" = 600 ]
	grep -q "^([0-9]*\.[0-9]*) Error (.*): $(<"$TEST_DIR/err")\$" "$TEST_DIR/work/log"
	grep -q 'Restoring FAILED\.$' "$TEST_DIR/work/log"
	[ -z "$(ls "$IMAGES")" ]
}

@test "cli: configuration files come before the command line" {
	mkdir "$TEST_DIR/.criu"
	echo 'unprivileged' >"$TEST_DIR/.criu/default.conf"
	HOME=$TEST_DIR says 1 "option '--unprivileged' is not supported yet: stasis has to be started by root" \
		"$STASIS" check -D "$TEST_DIR"
	HOME=$TEST_DIR quietly "$STASIS" cpuinfo dump -D "$IMAGES" --no-unprivileged
	HOME=$TEST_DIR quietly "$STASIS" cpuinfo dump -D "$IMAGES" --no-default-config
	echo 'log-file a b' >"$TEST_DIR/conf"
	says 1 "'$TEST_DIR/conf' line 1: Unsupported configuration file format: a value of several words needs double quotes" \
		"$STASIS" check --config "$TEST_DIR/conf"
}

@test "check: a table of all features, and a verdict" {
	local said

	said=$("$STASIS" check -D "$TEST_DIR")
	[ "${said##*$'\n'}" = "Looks good." ]
	[ "$(grep -cE '^[a-z0-9_-]+ +(needed|extra|experimental|optional) +(there|missing: .+)$' <<<"$said")" \
		= "$(($(wc -l <<<"$said") - 1))" ]
}

@test "check: what was demanded and is missing costs the verdict" {
	local said

	# Support for 32-bit programs is not built in, whatever the kernel.
	said=$("$STASIS" check -D "$TEST_DIR" --all 2>"$TEST_DIR/err") && fail "status 0"
	[ "$(tail -n 3 <<<"$said" | head -n 1)" = "Looks good but some kernel features are missing:" ]
	said=$("$STASIS" check -D "$TEST_DIR" --experimental 2>"$TEST_DIR/err") && fail "status 0"
	grep -q '^[a-z_0-9]* is missing: ' "$TEST_DIR/err"
}

@test "check: one feature" {
	says 0 "clone3_set_tid is supported" "$STASIS" check --feature clone3_set_tid -D "$TEST_DIR"
	says 0 "mnt_id is supported" "$STASIS" check --feature nonsense --feature mnt_id -D "$TEST_DIR"
	says 1 "compat_cr is missing: stasis has no support for 32-bit programs yet" \
		"$STASIS" check --feature compat_cr -D "$TEST_DIR"
	says 1 "there is no feature 'list'; --help lists them" "$STASIS" check --feature list -D "$TEST_DIR"
}

@test "check: leaves nothing behind" {
	"$STASIS" check -D "$IMAGES" >/dev/null
	[ -z "$(ls "$IMAGES")" ]
}

@test "cpuinfo: this processor fits itself" {
	quietly "$STASIS" cpuinfo dump -D "$IMAGES"
	quietly "$STASIS" cpuinfo check -D "$IMAGES"
	quietly "$STASIS" cpuinfo check -D "$IMAGES" --cpu-cap
	[ "$(ls "$IMAGES")" = cpuinfo.img ]
}

@test "cpuinfo: a missing or damaged image is refused" {
	says 1 "'cpuinfo.img' is missing" \
		"$STASIS" cpuinfo check -D "$IMAGES"
	echo nonsense >"$IMAGES/cpuinfo.img"
	"$STASIS" cpuinfo check -D "$IMAGES" && fail "status 0"
	mkdir "$TEST_DIR/a"
	mkdir "$TEST_DIR/a/cpuinfo.img"
	says 255 "create 'cpuinfo.img': Is a directory" \
		"$STASIS" cpuinfo dump -D "$TEST_DIR/a"
}
