/* Message queues that are refused: with somebody who waits to be told; and queues with a name, by which they are looked for. */
#include "test/lib/fds.h"

#include <mqueue.h>
#include <signal.h>

static char name[64];

static mqd_t make(void)
{
	mqd_t q = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, NULL);

	if (q == (mqd_t)-1)
		victim_skip(strerror(errno));
	return q;
}

static void told(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	mqd_t q = make();

	SYS(mq_unlink(name));
	SYS(mq_send(q, "x", 1, 0));
	SYS(mq_notify(q, &event));
}

/* The signal has not come, and would. */
static void told_check(void)
{
	sigset_t set;
	char got[8192];

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	SYS(sigprocmask(SIG_BLOCK, &set, NULL));
	SAME(sigtimedwait(&set, NULL, &(struct timespec){ 0 }), -1);
	SAME(SYS(mq_receive(3, got, sizeof(got), NULL)), 1);
	SYS(mq_send(3, "y", 1, 0));
	SAME(SYS(sigtimedwait(&set, NULL, &(struct timespec){ 5, 0 })), SIGUSR1);
}

static void message(void)
{
	SYS(mq_send(make(), "x", 1, 0));
}

static void none(void)
{
	make();
}

static void unlinks(void)
{
	SYS(mq_unlink(name));
}

static const struct {
	const char *name;
	void (*make)(void), (*check)(void);
} all[] = {
	{ "told", told, told_check },
	{ "message", message, unlinks },
	{ "empty", none, unlinks },
};

int main(int argc, char **argv)
{
	snprintf(name, sizeof(name), "/stasis-%d", getpid());
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && argc > 1; i++) {
		if (strcmp(all[i].name, argv[1]) != 0)
			continue;
		all[i].make();
		victim_ready();
		all[i].check();
	}
	victim_ok();
}
