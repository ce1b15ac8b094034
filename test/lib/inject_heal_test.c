/*
 * Whoever has the runner in a process is killed at random moments: from the notes that survive it, everything is put
 * back, and the process never knows.
 */
#include "test/lib/held.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "lib/log.h"
#include "test/lib/spin.h"
#include "test/lib/unit.h"

enum { ROUNDS = 300, ENOUGH = 10, SPINNERS = 3, PAIRS = 2, QUEUED = 20000 };

static struct target {
	struct spin spin[SPINNERS];
	volatile uint64_t ready, balls[PAIRS], wrong, naps, queued, twice;
	bool leader_sleeps, filtered;
	uint8_t seen[QUEUED];
} * t;

static void moves(volatile uint64_t *value)
{
	uint64_t was = *value;

	for (int ms = 0; *value == was; ms++) {
		assert(ms < 20000);
		usleep(1000);
	}
}

static void *spin(void *s)
{
	__atomic_add_fetch(&t->ready, 1, __ATOMIC_SEQ_CST);
	spin_run(s);
	return NULL;
}

/* Two threads that pass a number to and fro: one lost or doubled is noticed. */
struct player {
	int in, out;
	volatile uint64_t *balls;
};

static void *play(void *arg)
{
	struct player *p = arg;
	uint64_t expected = ~0ULL, ball;

	__atomic_add_fetch(&t->ready, 1, __ATOMIC_SEQ_CST);
	while (!t->wrong) {
		if (read(p->in, &ball, sizeof(ball)) != sizeof(ball) ||
		    (expected != ~0ULL && ball != expected))
			t->wrong = 1;
		++*p->balls;
		expected = ball + 2;
		ball++;
		if (write(p->out, &ball, sizeof(ball)) != sizeof(ball))
			t->wrong = 1;
		usleep(200);
	}
	return NULL;
}

static void *nap(void *arg)
{
	struct timespec span = { .tv_nsec = 3000000 };

	for (__atomic_add_fetch(&t->ready, 1, __ATOMIC_SEQ_CST);; t->naps++) {
		uint64_t start = io_now_us();

		if (nanosleep(&span, NULL) != 0 || io_now_us() - start < 3000)
			t->wrong = 1;
	}
	return arg;
}

static void on_queued(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)context;
	if (__atomic_fetch_add(&t->seen[info->si_value.sival_int], 1, __ATOMIC_SEQ_CST))
		t->twice = 1;
	__atomic_add_fetch(&t->queued, 1, __ATOMIC_SEQ_CST);
}

static void start_players(int number)
{
	static struct player player[PAIRS][2];
	uint64_t first = 1000 * number;
	int there[2], back[2];
	pthread_t thread;

	assert(pipe(there) == 0 && pipe(back) == 0);
	player[number][0] = (struct player){ there[0], back[1], &t->balls[number] };
	player[number][1] = (struct player){ back[0], there[1], &t->balls[number] };
	for (int i = 0; i < 2; i++)
		assert(pthread_create(&thread, NULL, play, &player[number][i]) == 0);
	assert(write(there[1], &first, sizeof(first)) == sizeof(first));
}

/*
 * Ends the process if it makes any of the calls that only plans make. Not mmap and munmap, which bring the runner in
 * and out: if the injecting process dies in the middle of these, the target meets its filter, and that is how it is.
 */
static void filter(void)
{
#define DENY(nr)                                       \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		DENY(SYS_getpid),
		DENY(SYS_gettid),
		DENY(SYS_close),
		DENY(SYS_tgkill),
		DENY(SYS_futex),
		DENY(SYS_rt_sigtimedwait),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	assert(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	assert(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog) ==
	       0);
}

static void be_target(void *arg)
{
	struct sigaction sa = { .sa_sigaction = on_queued, .sa_flags = SA_SIGINFO | SA_RESTART };
	pthread_t thread;

	sigaction(SIGRTMIN, &sa, NULL);
	for (int i = 1; i < SPINNERS; i++)
		assert(pthread_create(&thread, NULL, spin, &t->spin[i]) == 0);
	for (int i = 0; i < PAIRS; i++)
		start_players(i);
	assert(pthread_create(&thread, NULL, nap, NULL) == 0);
	while (t->filtered && t->ready < SPINNERS + 2 * PAIRS)
		usleep(100);
	if (t->filtered)
		filter();
	if (!t->leader_sleeps)
		spin(&t->spin[0]);
	for (__atomic_add_fetch(&t->ready, 1, __ATOMIC_SEQ_CST);;)
		pause();
	(void)arg;
}

static int start_target(bool leader_sleeps, bool filtered)
{
	uint64_t all = SPINNERS + 2 * PAIRS + 1;

	t = held_shared(sizeof(*t));
	t->leader_sleeps = leader_sleeps;
	t->filtered = filtered;
	for (int i = 0; i < SPINNERS; i++)
		spin_init(&t->spin[i], i + 1);
	int pid = held_start(be_target, NULL);
	while (t->ready < all)
		moves(&t->ready);
	return pid;
}

static void target_is_well(void)
{
	for (int i = t->leader_sleeps; i < SPINNERS; i++)
		moves((volatile uint64_t *)&t->spin[i].loops);
	for (int i = 0; i < SPINNERS; i++)
		assert(!t->spin[i].broken);
	for (int i = 0; i < PAIRS; i++)
		moves(&t->balls[i]);
	moves(&t->naps);
	assert(!t->wrong);
}

static uint64_t site_word(const struct held *h)
{
	uint64_t word = 0;
	struct iovec here = { &word, sizeof(word) }, there = { (void *)h->site, sizeof(word) };

	assert(process_vm_readv(h->pid, &here, 1, &there, 1, 0) == sizeof(word));
	return word;
}

/* Until it is killed. */
static void inject_for_ever(struct held *h)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		held_stop(h);
		held_inject(h);
		held_let_go(h);
	}
}

/* How long at most until the kill: some stops and injections, which take longer on an emulated processor. */
static int longest_us(void)
{
	return getenv("EMULATED") ? 30000 : 3000;
}

/* Returns whether there was anything to heal. */
static bool kill_and_heal(struct held *h)
{
	bool live;
	int pid, status;

	memset(h->i, 0, sizeof(*h->i));
	pid = fork();
	if (pid == 0)
		inject_for_ever(h);
	while (*(volatile int *)&h->i->pid == 0)
		usleep(20); /* until it has begun */
	usleep(random() % longest_us());
	kill(pid, SIGKILL);
	assert(waitpid(pid, &status, 0) == pid);
	assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	live = h->i->live;
	inject_heal(h->i);
	assert(!h->i->live);
	return live;
}

static void heal_rounds(int pid)
{
	struct held *h = held_new(pid);
	uint64_t word = site_word(h);
	char *was = snapshot_take(pid);
	int healed = 0;

	/* On a busy machine more of them are killed before they have begun. */
	for (int round = 0; round < ROUNDS || (healed <= ENOUGH && round < 10 * ROUNDS); round++) {
		healed += kill_and_heal(h);
		assert(site_word(h) == word);
		if (round % 10 == 0)
			target_is_well();
	}
	target_is_well();
	snapshot_same(was, snapshot_take(pid));
	assert(healed > ENOUGH);
}

static void a_spinning_leader(void)
{
	heal_rounds(start_target(false, false));
}

static void a_sleeping_leader(void)
{
	heal_rounds(start_target(true, false));
}

static void a_filtered_target(void)
{
	heal_rounds(start_target(false, true));
}

static bool is_stopped(int pid)
{
	char path[64], text[512];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	assert(f && fgets(text, sizeof(text), f));
	fclose(f);
	return strrchr(text, ')')[2] == 'T';
}

static void a_stopped_target(void)
{
	int pid = start_target(false, false);
	struct held *h = held_new(pid);
	char *was = snapshot_take(pid);

	kill(pid, SIGSTOP);
	for (int round = 0; round < ROUNDS / 3; round++) {
		kill_and_heal(h);
		for (int ms = 0; ms < 20000 && !is_stopped(pid); ms++)
			usleep(1000);
		assert(is_stopped(pid));
	}
	kill(pid, SIGCONT);
	target_is_well();
	snapshot_same(was, snapshot_take(pid));
}

/* Queued signals are counted one by one. */
static void signals_meanwhile(void)
{
	int pid = start_target(false, false), status = 0;
	struct held *h = held_new(pid);
	int sender = fork();

	if (sender == 0) {
		for (int i = 0; i < QUEUED; i++) {
			while (sigqueue(pid, SIGRTMIN, (union sigval){ .sival_int = i }) < 0)
				usleep(100);
			if (i % 8 == 0)
				usleep(200);
		}
		_exit(0);
	}
	while (waitpid(sender, &status, WNOHANG) == 0)
		kill_and_heal(h);
	for (int ms = 0; ms < 5000 && t->queued < QUEUED; ms++)
		usleep(1000);
	fprintf(stderr, "# %d signals came\n", (int)t->queued);
	assert(status == 0 && t->queued == QUEUED && !t->twice);
	for (int i = 0; i < SPINNERS; i++)
		assert(!t->spin[i].broken);
}

int main(void)
{
	srandom(getpid());
	return unit_run((struct unit[]){
		UNIT(a_spinning_leader),
		UNIT(a_sleeping_leader),
		UNIT(a_filtered_target),
		UNIT(a_stopped_target),
		UNIT(signals_meanwhile),
		{},
	});
}
