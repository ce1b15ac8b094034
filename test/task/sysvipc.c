/*
 * Semaphores and a message queue of System V: values, who was last, undo values of children, messages, and calls that
 * wait. "shared": two processes with one list of undo values; "apart": a thread with its own; "take KEY": somebody
 * else takes what a child held; "many": more semaphores than are asked about at once.
 */
#include <sched.h>
#include <signal.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "test/lib/victim.h"

enum { FIRST, PLAIN, HELD, GIVEN, WAITED, SEMAPHORES, LARGE = 8000 };

static int set, queue;

static void change(int number, int by, int flags)
{
	struct sembuf op = { number, by, flags };

	SYS(semop(set, &op, 1));
}

static int value(int number)
{
	return SYS(semctl(set, number, GETVAL));
}

static int last(int number)
{
	return SYS(semctl(set, number, GETPID));
}

static void put(long type, const void *data, size_t size)
{
	struct msgbuf *m = malloc(sizeof(*m) + size);

	m->mtype = type;
	memcpy(m->mtext, data, size);
	SYS(msgsnd(queue, m, size, IPC_NOWAIT));
	free(m);
}

static void expect(long type, const void *data, size_t size, int flags)
{
	struct msgbuf *m = malloc(sizeof(*m) + LARGE);

	SAME(SYS(msgrcv(queue, m, LARGE, flags ? 0 : type, flags)), size);
	SAME(m->mtype, type);
	CHECK(memcmp(m->mtext, data, size) == 0);
	free(m);
}

/* A child that takes so much, with the promise to give it back. */
static pid_t holder(int number, int by)
{
	pid_t pid = victim_fork();

	if (pid == 0) {
		change(number, by, SEM_UNDO);
		victim_set();
		for (;;)
			pause();
	}
	return pid;
}

/* The kernel gives back what it held. */
static void end(pid_t pid)
{
	SYS(kill(pid, SIGKILL));
	SYS(waitpid(pid, NULL, 0));
}

static void *wait_for_message(void *arg)
{
	victim_set();
	expect(99, "to you", 6, 0);
	return arg;
}

static pid_t waiter(void)
{
	pid_t pid = victim_fork();

	if (pid == 0) {
		victim_set();
		change(WAITED, -1, 0);
		_exit(0);
	}
	victim_blocked(pid, SYS_semtimedop);
	return pid;
}

static void set_up(key_t key)
{
	unsigned short values[SEMAPHORES] = { 3, 7, 1, 0, 0 };

	set = SYS(semget(key, SEMAPHORES, IPC_CREAT | IPC_EXCL | 0640));
	queue = SYS(msgget(key, IPC_CREAT | IPC_EXCL | 0660));
	SYS(semctl(set, 0, SETALL, values));
	SYS(semctl(set, 0, IPC_SET,
		   &(struct semid_ds){ .sem_perm = { .uid = 12, .gid = 34, .mode = 0606 } }));
	SYS(msgctl(queue, IPC_SET,
		   &(struct msqid_ds){ .msg_qbytes = 12345,
				       .msg_perm = { .uid = 56, .gid = 78, .mode = 0622 } }));
}

static void check_owners(key_t key)
{
	struct semid_ds s;
	struct msqid_ds q;

	SYS(semctl(set, 0, IPC_STAT, &s));
	SYS(msgctl(queue, IPC_STAT, &q));
	SAME(s.sem_perm.__key, key);
	SAME(s.sem_perm.uid * 1000 + s.sem_perm.gid, 12034);
	SAME(s.sem_perm.mode, 0606);
	SAME(q.msg_perm.__key, key);
	SAME(q.msg_perm.uid * 1000 + q.msg_perm.gid, 56078);
	SAME(q.msg_perm.mode, 0622);
	SAME(q.msg_qbytes, 12345);
	SAME(q.msg_lspid, getpid());
}

static void clear_away(void)
{
	SYS(semctl(set, 0, IPC_RMID));
	SYS(msgctl(queue, IPC_RMID, NULL));
}

static void whole(key_t key)
{
	char large[LARGE];
	pid_t held, given, waits, all, tid;

	memset(large, 'x', sizeof(large));
	set_up(key);
	held = holder(HELD, -1);
	given = holder(GIVEN, 30000);
	all = holder(PLAIN, -7);
	waits = waiter();
	tid = victim_thread(wait_for_message, NULL);
	victim_blocked(tid, SYS_msgrcv);
	put(5, large, LARGE);
	put(1, "", 0);
	put(5, "second", 6);
	victim_ready();
	SAME(value(PLAIN), 0);
	SAME(value(HELD), 0);
	SAME(value(GIVEN), 30000);
	SAME(value(FIRST), 3);
	SAME(last(FIRST), getpid());
	SAME(last(HELD), held);
	SAME(last(GIVEN), given);
	check_owners(key);
	expect(5, large, LARGE, IPC_NOWAIT);
	expect(1, "", 0, IPC_NOWAIT);
	expect(5, "second", 6, IPC_NOWAIT);
	SAME(semctl(set, WAITED, GETNCNT), 1);
	change(WAITED, 1, 0);
	victim_reap(waits);
	put(99, "to you", 6);
	victim_join();
	end(held);
	end(given);
	end(all);
	SAME(value(HELD), 1);
	SAME(value(GIVEN), 0);
	SAME(value(PLAIN), 7);
	clear_away();
	victim_ok();
}

/* Every hundredth one is held. Before the end of their holder some were below zero, and stay there. */
static void many(key_t key)
{
	enum { COUNT = 250 };
	pid_t pid;

	set = SYS(semget(key, COUNT, IPC_CREAT | IPC_EXCL | 0600));
	pid = victim_fork();
	if (pid == 0) {
		for (int i = 0; i < COUNT; i += 50)
			change(i, 32767 - i, SEM_UNDO);
		victim_set();
		for (;;)
			pause();
	}
	for (int i = 0; i < COUNT; i += 100)
		change(i, -10, 0);
	victim_ready();
	for (int i = 0; i < COUNT; i++)
		SAME(value(i), i % 50 ? 0 : 32767 - i - (i % 100 ? 0 : 10));
	end(pid);
	for (int i = 0; i < COUNT; i++)
		SAME(value(i), 0);
	SYS(semctl(set, 0, IPC_RMID));
	victim_ok();
}

static void take(key_t key)
{
	set = SYS(semget(key, 0, 0));
	change(HELD, -1, 0);
	exit(0);
}

static void shared(key_t key)
{
	pid_t pid;

	set = SYS(semget(key, SEMAPHORES, IPC_CREAT | IPC_EXCL | 0640));
	change(HELD, 1, SEM_UNDO);
	pid = syscall(SYS_clone, CLONE_SYSVSEM | SIGCHLD, NULL, NULL, NULL, NULL);
	while (pid == 0)
		pause();
	victim_ready();
	end(pid);
	SAME(value(HELD), 1);
	SYS(semctl(set, 0, IPC_RMID));
	victim_ok();
}

static void *apart_thread(void *arg)
{
	SYS(unshare(CLONE_SYSVSEM));
	change(HELD, 1, SEM_UNDO);
	victim_set();
	victim_wait();
	return arg;
}

static void apart(key_t key)
{
	set = SYS(semget(key, SEMAPHORES, IPC_CREAT | IPC_EXCL | 0640));
	victim_thread(apart_thread, NULL);
	victim_ready();
	victim_join();
	SYS(semctl(set, 0, IPC_RMID));
	victim_ok();
}

int main(int argc, char **argv)
{
	key_t key = 0x57a515 + getpid();

	if (argc > 2 && strcmp(argv[1], "take") == 0)
		take(atoi(argv[2]));
	if (argc > 1 && strcmp(argv[1], "shared") == 0)
		shared(key);
	if (argc > 1 && strcmp(argv[1], "apart") == 0)
		apart(key);
	if (argc > 1 && strcmp(argv[1], "many") == 0)
		many(key);
	whole(key);
}
