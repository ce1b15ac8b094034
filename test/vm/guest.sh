#!/bin/bash
# Process 1 of a guest; see run.sh. The host's files are there already, read-only. Everything that is written
# goes to memory of the guest. VM_ROOT is the project, VM_KERNEL the kernel's name, VM_RUN the folder of this run.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr
mount -t devpts -o gid=5,mode=620,ptmxmode=666 pts /dev/pts
command=$(<"$VM_RUN/command")
cd "$VM_ROOT" || exit
for dir in /dev/shm /run /tmp /var/tmp; do mount -t tmpfs -o mode=1777 tmp $dir; done
# The project may lie in one of them.
[ -e "$VM_ROOT" ] || { mkdir -p "$VM_ROOT" && mount -c --bind . "$VM_ROOT"; }
mount -t cgroup2 cgroup /sys/fs/cgroup
ip link set lo up
hostname vm

# The kernel asks for modules, and this one's are not where it looks.
printf '#!/bin/sh\nexec /sbin/modprobe -d "%s" "$@"\n' "$VM_ROOT/build/vm/$VM_KERNEL" >/run/modprobe
chmod 755 /run/modprobe
echo /run/modprobe >/proc/sys/kernel/modprobe

# Something to swap to.
if /run/modprobe zram && echo 512M >/sys/block/zram0/disksize && mkswap /dev/zram0 >/dev/null; then
	swapon /dev/zram0
fi

# What the command says comes out of the second serial line, how it ended out of the first.
stty -F /dev/ttyS1 raw -echo
cd "$VM_ROOT" || exit
env -u VM_ROOT -u VM_KERNEL -u VM_RUN setsid bash -c "$command" </dev/null >/dev/ttyS1 2>&1
echo "vm: ended with $? after $(cut -d' ' -f1 /proc/uptime) s" >/dev/ttyS0
stty -F /dev/ttyS1 raw -echo # waits until all is out
echo o >/proc/sysrq-trigger
sleep 60
