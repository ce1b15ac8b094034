/* Flags of mappings without smaps; see vma_quick.h. */
#include "lib/vma_quick.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/own.h"
#include "lib/vma_bits.h"
#include "lib/vma_letters.h"

/* Resident pages from which on it pays: smaps takes some 10 ms for a GiB, to load and to learn about as long. */
enum { LARGE = 128 << 10 };

/* Of this process. The kernel does not change under it. */
static struct {
	pthread_mutex_t lock;
	bool tried;
	int program; /* -1: there is none */
	struct vma_letters letters;
} quick = { .lock = PTHREAD_MUTEX_INITIALIZER, .program = -1 };

static bool is_large(int proc_fd)
{
	own_fd fd = openat(proc_fd, "statm", O_RDONLY | O_CLOEXEC);
	char text[200] = "";
	unsigned long resident;

	return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 &&
	       sscanf(text, "%*u %lu", &resident) == 1 && resident >= LARGE;
}

static void load(void)
{
	own_fd program = -1;
	struct err e = {};
	char why[400];

	if (vma_bits_open(&program, &e) < 0 || vma_letters_learn(&quick.letters, program, &e) < 0) {
		log_debug("flags of mappings come from smaps: %s", err_text(&e, why, sizeof(why)));
		return;
	}
	__atomic_store_n(&quick.program, take_fd(&program), __ATOMIC_RELEASE);
}

bool vma_quick_ready(void)
{
	return __atomic_load_n(&quick.program, __ATOMIC_ACQUIRE) >= 0;
}

bool vma_quick_prepare(int proc_fd)
{
	if (vma_quick_ready() || !is_large(proc_fd))
		return vma_quick_ready();
	pthread_mutex_lock(&quick.lock);
	if (!quick.tried)
		load();
	quick.tried = true;
	pthread_mutex_unlock(&quick.lock);
	return vma_quick_ready();
}

/* The number of a process in our own view of /proc, which is the last part of the directory's path. */
static pid_t pid_of(int proc_fd)
{
	char link[40], path[200], *last;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", proc_fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return 0;
	path[n] = 0;
	last = strrchr(path, '/');
	return last ? atoi(last + 1) : 0;
}

/* Both are ascending, and complete. */
static bool set_flags(struct vma *vmas, size_t count, const struct vma_bits *bits,
		      size_t bits_count)
{
	size_t b = 0;

	for (size_t i = 0; i < count; i++) {
		struct vma *v = &vmas[i];

		/* That is for every process the same, and in no list but the text. */
		if (strcmp(v->name, "[vsyscall]") == 0)
			continue;
		if (b == bits_count || bits[b].start != v->start || bits[b].end != v->end ||
		    !vma_letters_read(&quick.letters, bits[b].bits, &v->flags, &v->may))
			return false;
		/* The size of its pages is in smaps alone. */
		if (v->flags & VMA_HT)
			return false;
		b++;
	}
	return b == bits_count;
}

bool vma_quick_flags(int proc_fd, struct vma *vmas, size_t count)
{
	own_mem struct vma_bits *bits = NULL;
	pid_t pid = vma_quick_ready() ? pid_of(proc_fd) : 0;
	struct err ignored = {};
	size_t bits_count;

	return pid > 0 && vma_bits_read(quick.program, pid, &bits, &bits_count, &ignored) == 0 &&
	       set_flags(vmas, count, bits, bits_count);
}
