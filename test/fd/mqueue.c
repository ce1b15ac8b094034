/*
 * POSIX message queues: with a name and without, full, empty and with messages of every sort, opened several times,
 * shared with a child that waits in one.
 */
#include "test/lib/fds.h"

#include <mqueue.h>
#include <signal.h>

enum { SIZE = 512, MOST = 8 };

static struct fds before;

/* In the order in which they are sent; those of one priority come in that order, the highest first. */
static const struct {
	unsigned int priority;
	const char *text;
} messages[] = {
	{ 1, "one" },	     { 7, "first" }, { 7, "second" },
	{ 0, "the lowest" }, { 7, "" },	     { 32767, "the highest" },
};

static const int order[] = { 5, 1, 2, 4, 0, 3 };

enum { MESSAGES = sizeof(order) / sizeof(order[0]) };

static mqd_t make(const char *what, int flags, bool keep)
{
	struct mq_attr a = { .mq_maxmsg = MOST, .mq_msgsize = SIZE };
	char name[64];
	mqd_t q;

	snprintf(name, sizeof(name), "/stasis-%d-%s", getpid(), what);
	q = mq_open(name, flags | O_CREAT | O_EXCL, 0640, &a);
	if (q == (mqd_t)-1)
		victim_skip(strerror(errno));
	if (!keep)
		SYS(mq_unlink(name));
	return q;
}

static void forget(const char *what)
{
	char name[64];

	snprintf(name, sizeof(name), "/stasis-%d-%s", getpid(), what);
	SYS(mq_unlink(name));
}

static void fill(mqd_t q)
{
	for (int i = 0; i < MESSAGES; i++)
		SYS(mq_send(q, messages[i].text, strlen(messages[i].text), messages[i].priority));
}

static void comes(mqd_t q, const char *text, unsigned int priority)
{
	char got[SIZE];
	unsigned int with;

	SAME(SYS(mq_receive(q, got, sizeof(got), &with)), strlen(text));
	CHECK(memcmp(got, text, strlen(text)) == 0, "'%.20s' came, not '%s'", got, text);
	SAME(with, priority);
}

static void empty(mqd_t q)
{
	for (int i = 0; i < MESSAGES; i++)
		comes(q, messages[order[i]].text, messages[order[i]].priority);
}

static void holds(mqd_t q, int count, int flags)
{
	struct mq_attr a;

	SYS(mq_getattr(q, &a));
	SAME(a.mq_maxmsg, MOST);
	SAME(a.mq_msgsize, SIZE);
	SAME(a.mq_curmsgs, count);
	SAME(a.mq_flags, flags);
}

static mqd_t again(mqd_t q, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", q);
	return SYS(open(path, flags));
}

int main(void)
{
	mqd_t named = make("named", O_RDWR | O_NONBLOCK, true);
	mqd_t nameless = make("nameless", O_RDWR, false);
	mqd_t reader = again(nameless, O_RDONLY), writer = again(named, O_WRONLY);
	mqd_t calls = make("calls", O_RDWR, false), full = make("full", O_WRONLY, false);
	mqd_t full_too = again(full, O_RDONLY | O_NONBLOCK);
	pid_t pid;

	SYS(dup(nameless));
	fill(named);
	fill(nameless);
	for (int i = 0; i < MOST; i++)
		SYS(mq_send(full, "full", 4, i));
	SAME(lseek(reader, 5, SEEK_SET), 5);
	SYS(fcntl(calls, F_SETOWN, getpid()));
	pid = victim_fork();
	if (pid == 0) {
		victim_set();
		comes(calls, "go on", 3);
		_exit(0);
	}
	victim_blocked(pid, SYS_mq_timedreceive);
	fds_note(&before);
	victim_ready();
	fds_check(&before);
	SAME(fcntl(calls, F_GETOWN), getpid());
	holds(named, MESSAGES, O_NONBLOCK);
	holds(nameless, MESSAGES, 0);
	holds(full, MOST, 0);
	holds(full_too, MOST, O_NONBLOCK);
	for (int i = MOST - 1; i >= 0; i--)
		comes(full_too, "full", i);
	SAME(mq_receive(full_too, (char[SIZE]){ 0 }, SIZE, NULL), -1);
	SAME(errno, EAGAIN);
	empty(named);
	empty(reader);
	SYS(mq_send(writer, "more", 4, 9));
	comes(named, "more", 9);
	forget("named");
	SYS(mq_send(calls, "go on", 5, 3));
	victim_reap(pid);
	victim_ok();
}
