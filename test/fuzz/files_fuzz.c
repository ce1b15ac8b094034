/*
 * Any bytes as the images of descriptors and of System V objects: loaded and checked as a restore does it before it makes
 * anything. An input is a row of files: the kind of one (an index of kinds), its id (4 bytes), its size (2), its
 * bytes behind the magic. test/fuzz/seeds.py makes inputs of real dumps.
 */
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "images/image.h"
#include "restore/files.h"
#include "restore/load.h"
#include "restore/restore.h"

enum { PID = 1 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* seeds.py has the same in its own list. */
static const enum image_kind kinds[] = {
	IMG_FILES,	 IMG_FDINFO,	 IMG_IDS,	   IMG_FS,
	IMG_FILE_EXTRA,	 IMG_INET_EXTRA, IMG_UNIX_EXTRA,   IMG_PIPE_PACKETS,
	IMG_REMAP_FPATH, IMG_GHOST_FILE, IMG_PIPES_DATA,   IMG_FIFO_DATA,
	IMG_SK_QUEUES,	 IMG_TCP_STREAM, IMG_TTY_INFO,	   IMG_TTY_DATA,
	IMG_MEMFD,	 IMG_FILELOCKS,	 IMG_BPFMAP_DATA,  IMG_IPC_SEM,
	IMG_IPC_MSG,	 IMG_IPC_EXTRA,	 IMG_INET_WAITING, IMG_INET_DATAGRAMS,
};

static void empty(int dir)
{
	own_dir d = fdopendir(dup(dir));
	struct dirent *entry;

	assert(d);
	rewinddir(d);
	while ((entry = readdir(d)))
		unlinkat(dir, entry->d_name, 0);
}

static char name[] = "/dev/shm/stasis-fuzz.XXXXXX";
static int dir_fd = -1;

static void clear_away(void)
{
	empty(dir_fd);
	rmdir(name);
}

static int folder(void)
{
	if (dir_fd < 0) {
		assert(mkdtemp(name));
		dir_fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert(dir_fd >= 0);
		atexit(clear_away);
	}
	return dir_fd;
}

/* Takes one file off the input. */
static size_t put_file(int dir, const uint8_t *data, size_t size)
{
	uint32_t id = data[1] | data[2] << 8 | data[3] << 16 | (uint32_t)data[4] << 24;
	size_t length = data[5] | data[6] << 8;
	enum image_kind kind = kinds[data[0] % ARRAY_SIZE(kinds)];
	uint32_t magic[2] = { IMAGE_COMMON, image_info(kind)->magic };
	char name[IMAGE_NAME_MAX];

	if (length > size - 7)
		length = size - 7;
	own_fd fd = openat(dir, image_name(name, kind, id),
			   O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert(fd >= 0 && write(fd, magic, sizeof(magic)) == sizeof(magic) &&
	       write(fd, data + 7, length) == (ssize_t)length);
	return 7 + length;
}

static void load(int dir)
{
	extern const struct restore_kind sysvipc_restore_kind;
	struct options opt = { .images_fd = dir };
	InventoryEntry inventory = INVENTORY_ENTRY__INIT;
	struct restore r = { .opt = &opt, .images = dir, .arena_fd = -1, .inventory = &inventory };
	struct rtask t = { .restore = &r, .pid = PID, .pgid = PID, .sid = PID, .state = 1 };
	struct rtask *tasks[] = { &t };
	struct rthread leader = { .tid = PID, .task = &t };
	struct err e = { 0 };
	int res;

	t.threads = &leader;
	t.thread_count = 1;
	if (image_load(dir, IMG_IDS, PID, &t.ids, &e) == 0 &&
	    image_load(dir, IMG_FS, PID, &t.fs, &e) == 0) {
		r.tasks = tasks;
		r.task_count = 1;
		res = sysvipc_restore_kind.load(&r, &e);
		if (res == 0)
			res = rfiles_load(&r, &e);
		/* Whatever is refused is refused in words. */
		assert(res == 0 || (e.code == res && e.text[0]));
		rfiles_close(&r);
		sysvipc_restore_kind.close(&r, false);
	}
	image_message_free(&t.ids);
	image_message_free(&t.fs);
	pool_free(&r.pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int dir = folder();

	empty(dir);
	while (size > 7) {
		size_t taken = put_file(dir, data, size);

		data += taken;
		size -= taken;
	}
	load(dir);
	return 0;
}
