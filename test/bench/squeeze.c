/*
 * The least that compressing memory can cost: the library alone, with as many threads as there are processors, each on
 * the next 128 KiB, and what comes out appended to a fresh file. Says how many microseconds that took. The memory is
 * its own, or that of another process, from which it has to be read first; that reading alone, with nothing made of it,
 * is what no way of saving another process can do without.
 *
 *   squeeze own|other zstd|lz4|nothing zeros|text|random FILE MIB
 */
#include <fcntl.h>
#include <lz4.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#include "test/bench/contents.h"

enum { CHUNK = 128 << 10, ROOM = 2 * CHUNK, THREADS = 64 };

static char *memory;
static size_t size, next, end;
static int file, level = 1;
static bool lz4, nothing;
static pid_t other; /* 0: none */

static long long now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static const char *take(char *buf, char *from)
{
	struct iovec here = { buf, CHUNK }, there = { from, CHUNK };

	if (!other)
		return from;
	if (process_vm_readv(other, &here, 1, &there, 1, 0) != CHUNK)
		exit(1);
	return buf;
}

static void *work(void *arg)
{
	ZSTD_CCtx *context = ZSTD_createCCtx();
	char *out = malloc(ROOM), *buf = malloc(CHUNK);

	ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
	for (;;) {
		size_t at = __atomic_fetch_add(&next, CHUNK, __ATOMIC_RELAXED), n;
		const char *data;

		if (at >= size)
			break;
		data = take(buf, memory + at);
		if (nothing)
			continue;
		n = lz4 ? (size_t)LZ4_compress_fast(data, out, CHUNK, ROOM, 1) :
			  ZSTD_compress2(context, out, ROOM, data, CHUNK);
		if (pwrite(file, out, n, __atomic_fetch_add(&end, n, __ATOMIC_RELAXED)) !=
		    (ssize_t)n)
			exit(1);
	}
	return arg;
}

static char *map(void)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* The other process fills its memory itself: what two share after a fork, the kernel copies before it is read. */
static bool fill_there(const char *sort)
{
	int ready[2];
	char word;

	if (pipe(ready) < 0 || (other = fork()) < 0)
		return false;
	if (other == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!contents_fill(memory, size, sort) || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	return read(ready[0], &word, 1) == 1;
}

int main(int argc, char **argv)
{
	int threads = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_t thread[THREADS];
	long long from;
	char *warm;

	if (argc != 6)
		return 2;
	lz4 = argv[2][0] == 'l';
	nothing = argv[2][0] == 'n';
	size = strtoull(argv[5], NULL, 10) << 20;
	memory = map();
	if (argv[1][1] == 't' ? !fill_there(argv[3]) : !contents_fill(memory, size, argv[3]))
		return 2;
	/* See floor.c: memory that is about to be needed is touched before. */
	warm = map();
	memset(warm, 1, size);
	munmap(warm, size);
	from = now_us();
	file = open(argv[4], O_WRONLY | O_CREAT | O_EXCL, 0600);
	threads = threads < THREADS ? threads : THREADS;
	for (int i = 1; i < threads; i++)
		pthread_create(&thread[i], NULL, work, NULL);
	work(NULL);
	for (int i = 1; i < threads; i++)
		pthread_join(thread[i], NULL);
	printf("%lld us\n", now_us() - from);
	if (other > 0)
		kill(other, SIGKILL);
	return 0;
}
