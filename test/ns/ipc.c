/*
 * An IPC namespace of its own: sysctls, segments that are attached, that are not, and that were removed while attached. The
 * argument "notify" or "forced": with something that is refused.
 */
#include <fcntl.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <sys/shm.h>

#include "test/lib/victim.h"

#define SIZE (9 * 4096 + 17)

static const struct {
	const char *name, *value;
} vars[] = {
	{ "kernel/sem", "111 2222 33 44" },
	{ "kernel/msgmax", "8193" },
	{ "kernel/msgmnb", "16385" },
	{ "kernel/msgmni", "77" },
	{ "kernel/shmmax", "4097" }, /* less than there is */
	{ "kernel/shmall", "1234567" },
	{ "kernel/shmmni", "99" },
	{ "fs/mqueue/queues_max", "11" },
	{ "fs/mqueue/msg_max", "12" },
	{ "fs/mqueue/msgsize_max", "8200" },
	{ "fs/mqueue/msg_default", "7" },
	{ "fs/mqueue/msgsize_default", "4096" },
};

enum { VARS = sizeof(vars) / sizeof(vars[0]) };

static void put(const char *name, const char *value)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	fd = SYS(open(path, O_WRONLY));
	SYS(write(fd, value, strlen(value)));
	SYS(close(fd));
}

static void get(const char *name, char ret[64])
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	fd = SYS(open(path, O_RDONLY));
	n = SYS(read(fd, ret, 63));
	ret[n - 1] = 0;
	for (ssize_t i = 0; i < n - 1; i++)
		ret[i] = ret[i] == '\t' ? ' ' : ret[i];
	SYS(close(fd));
}

static int make(key_t key, int number, char **ret_at)
{
	int id = SYS(shmget(key, SIZE, IPC_CREAT | IPC_EXCL | 0640));
	char *at = shmat(id, NULL, 0);

	CHECK(at != (char *)-1, "shmat");
	for (int i = 0; i < SIZE; i += 4096)
		at[i] = (char)(number + i / 4096);
	*ret_at = at;
	return id;
}

static void check_contents(const char *at, int number)
{
	for (int i = 0; i < SIZE; i += 4096)
		SAME(at[i], (char)(number + i / 4096));
}

static void add_what_is_refused(const char *what)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	char *at;

	if (strcmp(what, "notify") == 0)
		SYS(mq_notify(SYS(mq_open("/a-queue", O_CREAT | O_RDWR | O_CLOEXEC, 0600, NULL)),
			      &event));
	if (strcmp(what, "forced") == 0) {
		make(5, 5, &at);
		SYS(shmdt(at));
		put("kernel/shm_rmid_forced", "1");
	}
}

static void refused(const char *what)
{
	add_what_is_refused(what);
	victim_ready();
	victim_ok();
}

int main(int argc, char **argv)
{
	char *attached, *loose, *removed, text[64];
	struct shmid_ds state;
	int ids[3];

	if (unshare(CLONE_NEWIPC) < 0)
		victim_skip("no IPC namespace can be made");
	if (argc > 1 && strcmp(argv[1], "orphans") != 0)
		refused(argv[1]);
	ids[0] = make(7, 1, &attached);
	ids[1] = make(8, 20, &loose);
	SYS(shmdt(loose));
	ids[2] = make(IPC_PRIVATE, 40, &removed);
	SYS(shmctl(ids[2], IPC_RMID, NULL));
	for (int i = 0; i < VARS; i++)
		put(vars[i].name, vars[i].value);
	if (argc > 1) { /* with that switch none may be attached nowhere */
		SYS(shmctl(ids[1], IPC_RMID, NULL));
		put("kernel/shm_rmid_forced", "1");
	}
	victim_ready();
	for (int i = 0; i < VARS; i++) {
		get(vars[i].name, text);
		CHECK(strcmp(text, vars[i].value) == 0, "%s: '%s'", vars[i].name, text);
	}
	get("kernel/shm_rmid_forced", text);
	SAME(atoi(text), argc > 1);
	SAME(shmget(7, 0, 0), ids[0]);
	check_contents(attached, 1);
	check_contents(removed, 40);
	SYS(shmctl(ids[2], IPC_STAT, &state));
	CHECK(state.shm_perm.mode & SHM_DEST, "mode %o", state.shm_perm.mode);
	if (argc == 1) {
		SAME(shmget(8, 0, 0), ids[1]);
		loose = shmat(ids[1], NULL, 0);
		CHECK(loose != (char *)-1, "shmat");
		check_contents(loose, 20);
	}
	victim_ok();
}
