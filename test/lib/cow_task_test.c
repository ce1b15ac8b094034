/* A moment is saved exactly while threads and processes begin and end, and these end as they always do. */
#include <sched.h>
#include <time.h>

#include "test/lib/cow.h"

static void fork_children(struct scene *s)
{
	ready(s);
	for (int i = 0; i < 8; i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			bool ok = is_filled(s->memory, SIZE);

			munmap(s->memory, SIZE / 2);
			memset(s->memory + SIZE / 2, 0, SIZE / 2);
			_exit(!ok);
		}
		if (waitpid(pid, &status, 0) != pid || status)
			_exit(1);
	}
	if (!is_filled(s->memory, SIZE))
		_exit(2);
}

static void children_are_forked(void)
{
	struct scene s = { 0 };

	assert(play(&s, fork_children) == 0);
}

static void vfork_children(struct scene *s)
{
	ready(s);
	for (volatile int i = 0; i < 8; i++) {
		int status;
		pid_t pid = vfork();

		if (pid == 0) {
			s->memory[i * PAGE_SIZE] ^= 1;
			munmap(s->memory + SIZE / 2 + i * PAGE_SIZE, PAGE_SIZE);
			execl("/bin/true", "true", NULL);
			_exit(1);
		}
		if (waitpid(pid, &status, 0) != pid || status)
			_exit(1);
	}
}

static void children_borrow_it(void)
{
	struct scene s = { 0 };

	assert(play(&s, vfork_children) == 0);
}

static void execute(struct scene *s)
{
	ready(s);
	execl("/bin/sh", "sh", "-c", "exit 3", NULL);
}

static void another_program_is_executed(void)
{
	struct scene s = { 0 };

	assert(play(&s, execute) == 3 << 8);
}

static void end(struct scene *s)
{
	ready(s);
	_exit(5);
}

static void the_process_ends(void)
{
	struct scene s = { 0 };

	assert(play(&s, end) == 5 << 8);
}

static void die(struct scene *s)
{
	ready(s);
	kill(getpid(), SIGKILL);
}

static void the_process_is_killed(void)
{
	struct scene s = { 0 };

	assert(play(&s, die) == SIGKILL);
}

static void *short_life(void *arg)
{
	char stack[3 * PAGE_SIZE];

	memset(stack, 1, sizeof(stack));
	return arg;
}

static void *long_life(void *arg)
{
	struct scene *s = arg;

	introduce(s->control);
	await_moment(s->control);
	return NULL;
}

/* pthread_join() waits for what the kernel writes when the thread has ended. */
static void churn(struct scene *s)
{
	pthread_t old[8], t;

	for (int i = 0; i < 8; i++)
		pthread_create(&old[i], NULL, long_life, s);
	while (s->control->threads < 9)
		usleep(100);
	ready(s);
	for (int i = 0; i < 8; i++)
		pthread_join(old[i], NULL);
	for (int i = 0; i < 100; i++) {
		if (pthread_create(&t, NULL, short_life, NULL) != 0)
			_exit(1);
		pthread_join(t, NULL);
	}
}

static void threads_come_and_go(void)
{
	struct scene s = { 0 };

	assert(play(&s, churn) == 0);
}

static void *forever_new(void *arg)
{
	struct scene *s = arg;
	pthread_t t;

	while (!s->control->moment) {
		if (pthread_create(&t, NULL, short_life, NULL) != 0)
			_exit(1);
		pthread_join(t, NULL);
	}
	return NULL;
}

static void churn_before(struct scene *s)
{
	s->control->ready = 1;
	forever_new(s);
}

static void threads_come_and_go_before(void)
{
	struct scene s = { 0 };

	assert(play(&s, churn_before) == 0);
}

/* What a program has reserved is not gone through page by page, though there is something else in the middle of it by now. */
static void churn_beside_much(struct scene *s)
{
	const size_t much = 4UL << 40;
	char *at = mmap(NULL, much, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	pthread_t t;

	if (at == MAP_FAILED)
		_exit(1);
	at[0] = at[much / 2 + PAGE_SIZE] = at[much - 1] = 5;
	s->control->ready = 1;
	for (size_t gap = 0; !s->control->moment; gap += PAGE_SIZE) {
		if (mmap(at + much / 4 + gap % (much / 8), PAGE_SIZE, PROT_READ,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
			_exit(1);
		if (pthread_create(&t, NULL, short_life, NULL) != 0)
			_exit(1);
		pthread_join(t, NULL);
	}
	if (at[0] != 5 || at[much / 2 + PAGE_SIZE] != 5 || at[much - 1] != 5)
		_exit(1);
}

static void threads_end_beside_much_reserved(void)
{
	struct scene s = { 0 };

	assert(play(&s, churn_beside_much) == 0);
}

static int wait_in_control(void *arg)
{
	struct control *c = arg;

	introduce(c);
	while (!c->armed && !c->moment)
		;
	return 0;
}

static bool runs(int tid)
{
	return syscall(SYS_tgkill, getpid(), tid, 0) == 0;
}

/* What the kernel writes goes to a page that nobody else touches. */
static void leave_word(struct scene *s)
{
	enum { STACK = 64 << 10 };
	int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
		    CLONE_SYSVSEM | CLONE_CHILD_CLEARTID;
	char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile int *word = (int *)(s->memory + SIZE / 2);
	int tid;

	*word = 7;
	tid = clone(wait_in_control, stack + STACK, flags, s->control, NULL, NULL, word);
	while (s->control->threads < 2)
		usleep(100);
	ready(s);
	while (runs(tid))
		usleep(1000);
	_exit(*word != 0);
}

static void the_last_word_of_a_thread(void)
{
	struct scene s = { 0 };

	assert(play(&s, leave_word) == 0);
}

static void the_last_word_of_a_thread_before(void)
{
	struct scene s = { .lingers = true };

	assert(play(&s, leave_word) == 0);
}

struct locked {
	pthread_mutex_t mutex;
	struct control *control;
};

static void *die_with_mutex(void *arg)
{
	struct locked *l = arg;

	introduce(l->control);
	pthread_mutex_lock(&l->mutex);
	await_moment(l->control);
	return NULL;
}

static void leave_mutex(struct scene *s)
{
	struct locked *l = (struct locked *)(s->memory + SIZE / 2);
	pthread_mutexattr_t attr;
	pthread_t t;

	l->control = s->control;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&l->mutex, &attr);
	pthread_create(&t, NULL, die_with_mutex, l);
	while (s->control->threads < 2)
		usleep(100);
	usleep(10000);
	ready(s);
	/* Not before it has ended: to wait for a mutex is to write to it. */
	while (runs(s->control->thread[1].tid))
		usleep(1000);
	if (pthread_mutex_trylock(&l->mutex) != EOWNERDEAD)
		_exit(1);
	pthread_join(t, NULL);
}

static void the_owner_of_a_mutex_ends(void)
{
	struct scene s = { 0 };

	assert(play(&s, leave_mutex) == 0);
}

static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
	(void)sig;
	signals++;
}

static void take_signals(struct scene *s)
{
	struct timespec pause = { 0, 1000000 };

	signal(SIGUSR1, on_signal);
	ready(s);
	for (int i = 0; i < 50; i++) {
		kill(getpid(), SIGUSR1);
		nanosleep(&pause, NULL);
		s->memory[i * SIZE / 64] ^= 1;
	}
	_exit(signals != 50);
}

static void signals_are_delivered(void)
{
	struct scene s = { 0 };

	assert(play(&s, take_signals) == 0);
}

int main(void)
{
	return unit_run((struct unit[]){
		UNIT(children_are_forked),
		UNIT(children_borrow_it),
		UNIT(another_program_is_executed),
		UNIT(the_process_ends),
		UNIT(the_process_is_killed),
		UNIT(threads_come_and_go),
		UNIT(threads_come_and_go_before),
		UNIT(threads_end_beside_much_reserved),
		UNIT(the_last_word_of_a_thread),
		UNIT(the_last_word_of_a_thread_before),
		UNIT(the_owner_of_a_mutex_ends),
		UNIT(signals_are_delivered),
		{},
	});
}
