/* BPF maps: an array, a hash, a frozen one; opened several times, for reading only; shared with a child. */
#include "test/lib/fds.h"

#include <linux/bpf.h>

enum { ENTRIES = 100, SIZE = 24 };

static struct fds before;

static int call(int what, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, what, attr, sizeof(*attr));
}

static int make(uint32_t type, uint32_t key_size, uint32_t flags)
{
	union bpf_attr attr = { .map_type = type,
				.key_size = key_size,
				.value_size = SIZE,
				.max_entries = ENTRIES,
				.map_flags = flags,
				.map_name = "stasis_test" };
	int fd = call(BPF_MAP_CREATE, &attr);

	if (fd < 0)
		victim_skip(strerror(errno));
	return fd;
}

static int put(int fd, const void *key, int value)
{
	char text[SIZE] = "";
	union bpf_attr attr = { .map_fd = fd, .key = (uintptr_t)key, .value = (uintptr_t)text };

	snprintf(text, sizeof(text), "value %d", value);
	return call(BPF_MAP_UPDATE_ELEM, &attr);
}

static void has(int fd, const void *key, int value)
{
	char text[SIZE], wanted[SIZE];
	union bpf_attr attr = { .map_fd = fd, .key = (uintptr_t)key, .value = (uintptr_t)text };

	snprintf(wanted, sizeof(wanted), "value %d", value);
	SYS(call(BPF_MAP_LOOKUP_ELEM, &attr));
	CHECK(strcmp(text, wanted) == 0, "'%s' is there, not '%s'", text, wanted);
}

static uint32_t count(int fd, uint32_t key_size)
{
	char key[16] = "", next[16];
	union bpf_attr attr = { .map_fd = fd, .next_key = (uintptr_t)next };
	uint32_t n = 0;

	for (; call(BPF_MAP_GET_NEXT_KEY, &attr) == 0; n++) {
		memcpy(key, next, key_size);
		attr.key = (uintptr_t)key;
	}
	return n;
}

static struct bpf_map_info info_of(int fd)
{
	struct bpf_map_info info = { 0 };
	union bpf_attr attr = { .info = { .bpf_fd = fd, .info_len = sizeof(info) } };

	attr.info.info = (uintptr_t)&info;
	SYS(call(BPF_OBJ_GET_INFO_BY_FD, &attr));
	return info;
}

static int again(int fd, uint32_t flags)
{
	union bpf_attr attr = { .map_id = info_of(fd).id, .open_flags = flags };

	return SYS(call(BPF_MAP_GET_FD_BY_ID, &attr));
}

static const void *hash_key(int i)
{
	static char key[8];

	memset(key, 0, sizeof(key));
	snprintf(key, sizeof(key), "k%d", i * 7919);
	return key;
}

int main(void)
{
	int array = make(BPF_MAP_TYPE_ARRAY, 4, 0);
	int hash = make(BPF_MAP_TYPE_HASH, 8, BPF_F_NO_PREALLOC);
	int frozen = make(BPF_MAP_TYPE_ARRAY, 4, 0), empty = make(BPF_MAP_TYPE_HASH, 8, 0);
	int reader = again(hash, BPF_F_RDONLY), writer = again(array, BPF_F_WRONLY);
	union bpf_attr freeze = { .map_fd = frozen };
	struct bpf_map_info info;
	pid_t pid;

	for (int i = 0; i < ENTRIES; i++) {
		SYS(put(array, &i, i));
		SYS(put(frozen, &i, 2 * i));
		if (i % 3)
			SYS(put(hash, hash_key(i), 3 * i));
	}
	SYS(call(BPF_MAP_FREEZE, &freeze));
	pid = victim_fork();
	if (pid == 0) {
		victim_set();
		victim_wait();
		_exit(put(empty, hash_key(1), 4) == 0 ? 0 : 1);
	}
	fds_note(&before);
	victim_ready();
	fds_check(&before);
	for (int i = 0; i < ENTRIES; i++) {
		has(array, &i, i);
		has(frozen, &i, 2 * i);
		if (i % 3)
			has(reader, hash_key(i), 3 * i);
	}
	SAME(count(hash, 8), ENTRIES - (ENTRIES + 2) / 3);
	SAME(put(frozen, &(int){ 0 }, 1), -1);
	SAME(errno, EPERM);
	SAME(put(reader, hash_key(1), 1), -1);
	SAME(errno, EPERM);
	SYS(put(writer, &(int){ 1 }, 500));
	has(array, &(int){ 1 }, 500);
	SYS(put(hash, hash_key(0), 501));
	has(reader, hash_key(0), 501);
	info = info_of(hash);
	CHECK(strcmp(info.name, "stasis_test") == 0 && info.map_flags == BPF_F_NO_PREALLOC);
	victim_reap(pid);
	has(empty, hash_key(1), 4);
	victim_ok();
}
