#!/usr/bin/env bash
# Runs tests under the kernels of test/vm/fetch.sh, all kernels at the same time, and sums them up.
#
#   test/vm/check.sh [TEST...]      as test/run.sh names them; KERNELS="6.1 6.12"
#
# Without names: memory, tasks, and of the rest what asks the kernel for something that it did not always have.
# Written pages are told by soft-dirty bits there, also where the kernel has another way: that one is tested on kernels
# that have no other.
set -u
cd "$(dirname "$0")/../.." || exit 1
root=$PWD

[ $# -gt 0 ] || set -- \
	lib/{inject,inject_heal,maps,pagemap,remote,restart,rshmem,soft_dirty,vdso,xstate} \
	freeze/{increment,restored,track} mm task fd/{eventfd,eventpoll,lock,memfd,pipe,timerfd,inotify,fanotify,pidfd,nsfile,procfile}
log=$(mktemp -d /tmp/stasis-vm.XXXXXX)
trap 'kill "${runs[@]}" 2>/dev/null; rm -rf "$log"' EXIT
trap 'exit 130' INT TERM

# Everything takes ten times as long there.
run_tests()
{
	local kernel=$1 status=0

	shift
	VM_LIMIT=${VM_LIMIT:-5400} test/vm/run.sh "$kernel" \
		"export EMULATED=1 PATIENCE=12000 LIMIT=2700 MOMENT_SIZE=8 STASIS_LACKS=uffd_wp_async
		export BUILD=$root/build STASIS=$root/stasis; test/run.sh $*" \
		>"$log/$kernel" 2>&1 &
	# shellcheck disable=SC2064 # this one
	trap "kill $!; exit 130" TERM
	wait $! || status=$?
	echo "exit status $status" >>"$log/$kernel"
}

read -r -a kernels <<<"${KERNELS:-6.1 6.12}"
runs=()
for kernel in "${kernels[@]}"; do
	: >"$log/$kernel"
	run_tests "$kernel" "$@" &
	runs+=($!)
	tail -n +1 -f --pid=$! "$log/$kernel" | sed -u "s/^/$kernel: /" &
done
wait

total=(0 0 0)
worst=0
echo
for kernel in "${kernels[@]}"; do
	status=$(sed -n 's/^exit status //p' "$log/$kernel")
	sum=$(grep -xE '[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped' "$log/$kernel") || sum=
	echo "Linux $kernel: ${sum:-not done, exit status $status}"
	[ "$status" = 0 ] && [ -n "$sum" ] || worst=1
	read -r passed _ failed _ skipped _ <<<"${sum:-0 passed, 0 failed, 0 skipped}"
	total=($((total[0] + passed)) $((total[1] + failed)) $((total[2] + skipped)))
done
echo "${total[0]} passed, ${total[1]} failed, ${total[2]} skipped"
exit $worst
