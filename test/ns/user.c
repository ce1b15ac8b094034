/*
 * A user namespace of its own, with pid, IPC, UTS and cgroup namespaces that belong to it, of which this is the first process: users
 * and groups of all kinds, capabilities, what only root of the namespace may do. The argument "rootless": by a user of whom it has
 * only himself, with groups that nobody can set; "unmapped": root who is somebody else as well, whom it does not map; "mount": with a mount namespace as well.
 */
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "test/lib/victim.h"

enum { OUTSIDE = 100000, COUNT = 65536, ROOTLESS = 1000 };

static bool rootless;

static void put(const char *path, const char *text)
{
	int fd = SYS(open(path, O_WRONLY));

	SYS(write(fd, text, strlen(text)));
	SYS(close(fd));
}

static void get(const char *path, char ret[4096])
{
	int fd = SYS(open(path, O_RDONLY));
	ssize_t n = SYS(read(fd, ret, 4095));

	ret[n] = 0;
	SYS(close(fd));
}

struct state {
	char users[4096], groups[4096], set[4096], status[4096], *creds;
	uid_t owner;
};

static void look(struct state *s)
{
	int fd = SYS(open("/proc/self/ns/user", O_RDONLY));

	get("/proc/self/uid_map", s->users);
	get("/proc/self/gid_map", s->groups);
	get("/proc/self/setgroups", s->set);
	get("/proc/self/status", s->status);
	s->creds = strstr(s->status, "\nUid:");
	*strstr(s->creds, "\nFDSize:") = 0;
	SYS(ioctl(fd, NS_GET_OWNER_UID, &s->owner));
	SYS(close(fd));
}

static void same(const struct state *was)
{
	char status[4096];
	struct state is;
	char *caps;

	look(&is);
	CHECK(strcmp(is.users, was->users) == 0, "%s, was %s", is.users, was->users);
	CHECK(strcmp(is.groups, was->groups) == 0, "%s, was %s", is.groups, was->groups);
	CHECK(strcmp(is.set, was->set) == 0, "%s, was %s", is.set, was->set);
	CHECK(strcmp(is.creds, was->creds) == 0, "%s, was %s", is.creds, was->creds);
	SAME(is.owner, was->owner);
	get("/proc/self/status", status);
	caps = strstr(status, "\nCapInh:");
	CHECK(caps != NULL, "no capabilities");
}

static void belongs(const char *name)
{
	char path[64];
	struct stat user, owner;
	int fd, of;

	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	fd = SYS(open(path, O_RDONLY));
	of = SYS(ioctl(fd, NS_GET_USERNS));
	SYS(fstat(of, &owner));
	SYS(stat("/proc/self/ns/user", &user));
	CHECK(owner.st_ino == user.st_ino, "the %s namespace belongs to another one", name);
	SYS(close(fd));
	SYS(close(of));
}

static void child(void)
{
	static const gid_t groups[] = { 5, 6 };
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct caps[2] = { { 0 } }, is[2];
	struct state was;

	if (!rootless) {
		SYS(prctl(PR_SET_KEEPCAPS, 1));
		SYS(setgroups(2, groups));
		SYS(setresgid(1001, 1002, 1003));
		SYS(setresuid(1001, 1002, 1003));
	}
	caps[0].permitted = 1 << CAP_CHOWN | 1 << CAP_KILL;
	caps[0].effective = 1 << CAP_KILL;
	SYS((int)syscall(SYS_capset, &head, caps));
	look(&was);
	victim_set();
	victim_wait();
	same(&was);
	SYS((int)syscall(SYS_capget, &head, is));
	SAME(is[0].permitted, caps[0].permitted);
	SAME(is[0].effective, caps[0].effective);
	_exit(0);
}

/* What only somebody may do who has the capability in the user namespace that the other belongs to. */
static void act_as_root(void)
{
	SYS(sethostname("another", 7));
	put("/proc/sys/kernel/msgmni", "55");
	SYS(shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600));
	belongs("uts");
	belongs("ipc");
	belongs("pid");
	belongs("cgroup");
}

static void run(const char *how)
{
	int pid, id, fd;
	char *at, text[4096];
	struct state was;
	struct stat st;

	SYS(setsid());
	if (how && strcmp(how, "mount") == 0)
		SYS(unshare(CLONE_NEWNS));
	SYS(sethostname("inside", 6));
	put("/proc/sys/kernel/msgmni", "44");
	id = SYS(shmget(7, 4096, IPC_CREAT | 0600));
	at = shmat(id, NULL, 0);
	CHECK(at != (char *)-1, "shmat");
	strcpy(at, "shared");
	snprintf(text, sizeof(text), "%s/owned", getenv("TEST_DIR"));
	fd = SYS(open(text, O_CREAT | O_RDWR, 0600));
	pid = victim_fork();
	if (pid == 0)
		child();
	look(&was);
	act_as_root();
	SYS(sethostname("inside", 6));
	put("/proc/sys/kernel/msgmni", "44");
	victim_ready();
	same(&was);
	SAME(getpid(), 1);
	SYS(gethostname(text, sizeof(text)));
	CHECK(strcmp(text, "inside") == 0, "'%s'", text);
	get("/proc/sys/kernel/msgmni", text);
	SAME(atoi(text), 44);
	CHECK(strcmp(at, "shared") == 0, "'%s'", at);
	SAME(shmget(7, 0, 0), id);
	SYS(fstat(fd, &st));
	SAME(st.st_uid, 0);
	act_as_root();
	SAME(waitpid(pid, NULL, 0), pid);
	victim_ok();
}

static void write_map(pid_t pid, const char *name, int outside, int count)
{
	char path[64], text[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	snprintf(text, sizeof(text), "0 %d %d", outside, count);
	put(path, text);
}

int main(int argc, char **argv)
{
	static const gid_t groups[] = { ROOTLESS, 27, 50 };
	const char *how = argc > 1 ? argv[1] : NULL;
	int gate[2], outside = OUTSIDE;
	char path[64], go;
	pid_t pid;

	rootless = how && strcmp(how, "rootless") == 0;
	SYS(pipe2(gate, O_CLOEXEC));
	if (how && strcmp(how, "unmapped") == 0)
		SYS(setresuid(1, 0, 0));
	if (rootless) {
		outside = ROOTLESS;
		SYS(setgroups(3, groups));
	}
	if (!how)
		SYS(setgroups(0, NULL));
	pid = (pid_t)syscall(SYS_clone,
			     CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
				     CLONE_NEWCGROUP | SIGCHLD,
			     0, 0, 0, 0);
	if (pid < 0)
		victim_skip("no user namespace can be made");
	if (pid == 0) {
		SYS(close(gate[1]));
		SAME(read(gate[0], &go, 1), 1);
		SYS(close(gate[0]));
		SYS(setresgid(0, 0, 0));
		SYS(how && strcmp(how, "unmapped") == 0 ? setreuid(-1, 0) : setresuid(0, 0, 0));
		SYS(prctl(PR_SET_DUMPABLE, 1));
		run(how);
	}
	if (rootless) {
		snprintf(path, sizeof(path), "/proc/%d/setgroups", pid);
		put(path, "deny");
	}
	write_map(pid, "uid_map", outside, rootless ? 1 : COUNT);
	write_map(pid, "gid_map", outside, rootless ? 1 : COUNT);
	SYS(write(gate[1], "", 1));
	SAME(waitpid(pid, NULL, 0), pid);
	return 0;
}
