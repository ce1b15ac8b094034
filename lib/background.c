/* A second thread; see background.h. */
#include "lib/background.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "lib/io.h"
#include "lib/thread.h"

struct job {
	int (*run)(void *arg, struct err *e);
	void *arg;
};

struct background {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct job *jobs;
	size_t count, done;
	bool last; /* no more will come */
	struct err err;
};

static bool next(struct background *b, struct job *ret)
{
	bool got;

	pthread_mutex_lock(&b->lock);
	while (b->done == b->count && !b->last)
		pthread_cond_wait(&b->more, &b->lock);
	got = b->done < b->count;
	if (got)
		*ret = b->jobs[b->done++];
	pthread_mutex_unlock(&b->lock);
	return got;
}

static void *work(void *arg)
{
	struct background *b = arg;
	struct job job;

	while (next(b, &job))
		if (!b->err.code)
			(void)!job.run(job.arg, &b->err);
	return NULL;
}

struct background *background_start(void)
{
	struct background *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->more, NULL);
	if (thread_start(&b->thread, work, b) != 0) {
		free(b);
		return NULL;
	}
	return b;
}

int background_add(struct background *b, int (*run)(void *arg, struct err *e), void *arg,
		   struct err *e)
{
	int r;

	if (!b)
		return run(arg, e);
	pthread_mutex_lock(&b->lock);
	r = io_grow(&b->jobs, b->count, sizeof(*b->jobs), e);
	if (r == 0)
		b->jobs[b->count++] = (struct job){ run, arg };
	pthread_cond_signal(&b->more);
	pthread_mutex_unlock(&b->lock);
	return r;
}

int background_finish(struct background *b, struct err *e)
{
	int r;

	if (!b)
		return 0;
	pthread_mutex_lock(&b->lock);
	b->last = true;
	pthread_cond_signal(&b->more);
	pthread_mutex_unlock(&b->lock);
	pthread_join(b->thread, NULL);
	r = b->err.code;
	if (r < 0)
		*e = b->err;
	free(b->jobs);
	free(b);
	return r;
}
