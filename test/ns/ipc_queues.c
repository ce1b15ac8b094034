/*
 * An IPC namespace of its own with semaphores and message queues, of System V and POSIX: used by the tree or by nobody who still
 * lives, with undo values, with those who wait, and with more in them than the limits allow by now (with an argument: with a
 * message that cannot even be looked at).
 */
#include <fcntl.h>
#include <mqueue.h>
#include <sched.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/wait.h>

#include "test/lib/victim.h"

enum { BIG = 6000, SMALL = 1000, SEMS = 3 };

struct message {
	long type;
	char text[BIG];
};

static int held, left, queue, full, waited;
static mqd_t named, nameless;
static volatile int *woken;

static void put(const char *name, const char *value)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	fd = SYS(open(path, O_WRONLY));
	SYS(write(fd, value, strlen(value)));
	SYS(close(fd));
}

static void move(int set, int number, int by, int flags)
{
	struct sembuf op = { (unsigned short)number, (short)by, (short)flags };

	SYS(semop(set, &op, 1));
}

static void send(int id, long type, size_t size)
{
	struct message m = { .type = type };

	memset(m.text, (char)('a' + type), size);
	SYS(msgsnd(id, &m, size, IPC_NOWAIT));
}

static void comes(int id, long type, size_t size)
{
	struct message m;

	SAME(SYS(msgrcv(id, &m, BIG, 0, IPC_NOWAIT)), size);
	SAME(m.type, type);
	for (size_t i = 0; i < size; i++)
		SAME(m.text[i], (char)('a' + type));
}

/* By somebody who is gone, so nobody in the tree was the last to use them. */
static void make_loose(void)
{
	pid_t pid = SYS(fork());

	if (pid == 0) {
		int set = SYS(semget(77, 2, IPC_CREAT | IPC_EXCL | 0604));
		int loose = SYS(msgget(78, IPC_CREAT | IPC_EXCL | 0604));
		mqd_t q = SYS(mq_open("/loose", O_CREAT | O_EXCL | O_RDWR, 0604, NULL));

		move(set, 1, 17, 0);
		send(loose, 5, SMALL);
		SYS(mq_send(q, "a message", 9, 3));
		SYS(mq_send(q, "another one", 11, 7));
		_exit(0);
	}
	SAME(waitpid(pid, NULL, 0), pid);
	left = SYS(semget(77, 0, 0));
}

static void check_loose(void)
{
	unsigned int priority;
	char text[8192];
	struct semid_ds ds;
	mqd_t q;

	SAME(semget(77, 0, 0), left);
	SAME(semctl(left, 1, GETVAL), 17);
	SYS(semctl(left, 0, IPC_STAT, &ds));
	SAME(ds.sem_perm.mode & 0777, 0604);
	comes(SYS(msgget(78, 0)), 5, SMALL);
	q = SYS(mq_open("/loose", O_RDWR));
	SAME(SYS(mq_receive(q, text, sizeof(text), &priority)), 11);
	SAME(priority, 7);
	SAME(SYS(mq_receive(q, text, sizeof(text), &priority)), 9);
	SAME(priority, 3);
}

static void child(void)
{
	struct message m;

	move(held, 0, -2, SEM_UNDO); /* it gives them back when it ends */
	victim_set();
	SAME(SYS(msgrcv(waited, &m, BIG, 9, 0)), 3);
	*woken = 1;
	victim_wait();
	move(held, 2, -1, 0);
	_exit(0);
}

static void make_all(void)
{
	held = SYS(semget(IPC_PRIVATE, SEMS, 0600));
	for (int i = 0; i < 5; i++) /* an id that a new namespace would not give */
		SYS(semctl(SYS(semget(IPC_PRIVATE, 1, 0600)), 0, IPC_RMID));
	left = SYS(semget(4711, SEMS, IPC_CREAT | IPC_EXCL | 0640));
	move(held, 0, 5, 0);
	queue = SYS(msgget(4711, IPC_CREAT | IPC_EXCL | 0640));
	send(queue, 2, BIG);
	send(queue, 1, 0);
	send(queue, 3, SMALL);
	full = SYS(msgget(IPC_PRIVATE, 0600));
	waited = SYS(msgget(IPC_PRIVATE, 0600));
	named = SYS(mq_open("/named", O_CREAT | O_EXCL | O_RDWR | O_NONBLOCK, 0600, NULL));
	for (int i = 0; i < 10; i++)
		SYS(mq_send(named, "0123456789", (size_t)i, 5));
	nameless = SYS(mq_open("/nameless", O_CREAT | O_EXCL | O_RDWR, 0600, NULL));
	SYS(mq_unlink("/nameless"));
	SYS(mq_send(nameless, "deep", 4, 0));
}

/* Less than there is. */
static void lower_limits(bool big)
{
	struct msqid_ds ds;

	for (int i = 0; i < 4; i++)
		send(full, 4, SMALL);
	SYS(msgctl(full, IPC_STAT, &ds));
	ds.msg_qbytes = 2 * SMALL;
	SYS(msgctl(full, IPC_SET, &ds));
	put("kernel/msgmax", big ? "1000" : "6000"); /* a larger message cannot be looked at */
	put("kernel/msgmnb", "2000");
	put("kernel/msgmni", "2");
	put("kernel/sem", "2 2 33 1");
	put("fs/mqueue/msg_max", "3");
	put("fs/mqueue/msgsize_max", "500");
	put("fs/mqueue/queues_max", "1");
}

static void check_mqueues(void)
{
	char text[8192];

	for (int i = 0; i < 10; i++)
		SAME(SYS(mq_receive(named, text, sizeof(text), NULL)), i);
	SAME(mq_receive(named, text, sizeof(text), NULL), -1);
	SAME(SYS(mq_receive(nameless, text, sizeof(text), NULL)), 4);
	SAME(mq_open("/nameless", O_RDWR), (mqd_t)-1);
	SYS(mq_unlink("/named"));
}

static void check_sysv(pid_t pid)
{
	struct msqid_ds ds;

	SAME(semctl(held, 0, GETVAL), 3);
	SAME(semctl(held, 0, GETPID), pid);
	SAME(msgget(4711, 0), queue);
	comes(queue, 2, BIG);
	comes(queue, 1, 0);
	comes(queue, 3, SMALL);
	SYS(msgctl(full, IPC_STAT, &ds));
	SAME(ds.msg_qbytes, 2 * SMALL);
	SAME(ds.msg_qnum, 4);
	comes(full, 4, SMALL);
	*woken = 0;
	send(waited, 9, 3);
	while (!*woken)
		victim_sleep_ms(1);
	move(held, 2, 1, 0);
	SAME(waitpid(pid, NULL, 0), pid);
	SAME(semctl(held, 0, GETVAL), 5); /* given back */
}

int main(int argc, char **)
{
	pid_t pid;

	if (unshare(CLONE_NEWIPC) < 0)
		victim_skip("no IPC namespace can be made");
	make_all();
	make_loose();
	woken = victim_shared(sizeof(*woken));
	pid = victim_fork();
	if (pid == 0)
		child();
	lower_limits(argc > 1);
	victim_ready();
	SAME(msgget(IPC_PRIVATE, 0600), -1); /* there are more than may be */
	check_mqueues();
	check_loose();
	check_sysv(pid);
	victim_ok();
}
