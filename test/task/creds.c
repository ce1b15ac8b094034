/*
 * Every thread's own credentials: the four user and group ids, groups, all five sets of capabilities,
 * securebits and no_new_privs. The kernel's text about the thread must be the same, line for line.
 */
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "test/lib/victim.h"

static void describe(char *text, size_t size)
{
	static const char *const keys[] = { "Uid:", "Gid:", "Groups:", "Cap", "NoNewPrivs:" };
	char path[64], line[512];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%ld/status", syscall(SYS_gettid));
	file = fopen(path, "re");
	CHECK(file);
	snprintf(text, size, "securebits %x\n", SYS(prctl(PR_GET_SECUREBITS)));
	while (fgets(line, sizeof(line), file))
		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			if (strncmp(line, keys[i], strlen(keys[i])) == 0)
				strncat(text, line, size - strlen(text) - 1);
	fclose(file);
}

static void set_caps(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++)
		data[i] = (struct __user_cap_data_struct){ effective >> 32 * i, permitted >> 32 * i,
							   inheritable >> 32 * i };
	SYS(syscall(SYS_capset, &head, data));
}

/* Raw calls, as the library's would change every thread. */
static void drop_some(void)
{
	gid_t groups[] = { 7, 100, 4711, 70000 };

	SYS(syscall(SYS_setgroups, 4, groups));
	SYS(prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT));
	SYS(prctl(PR_CAPBSET_DROP, CAP_MKNOD));
	SYS(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS | SECBIT_NO_SETUID_FIXUP));
	SYS(syscall(SYS_setresgid, 1000, 1001, 1002));
	syscall(SYS_setfsgid, 1003);
	set_caps(1 << CAP_CHOWN | 1 << CAP_SETUID | 1 << CAP_SETPCAP,
		 1 << CAP_CHOWN | 1 << CAP_SETUID | 1 << CAP_SETPCAP | 1 << CAP_KILL |
			 1 << CAP_NET_RAW,
		 1 << CAP_CHOWN | 1 << CAP_NET_RAW);
	SYS(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0));
	SYS(syscall(SYS_setresuid, 2000, 2001, 2002));
	syscall(SYS_setfsuid, 2003);
}

static void drop_all(void)
{
	SYS(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	SYS(syscall(SYS_setgroups, 0, NULL));
	SYS(syscall(SYS_setresgid, 65534, 65534, 65534));
	SYS(syscall(SYS_setresuid, 65534, 65534, 65534));
}

static void keep_root(void)
{
	set_caps(0, 1ULL << CAP_SYS_ADMIN | 1ULL << CAP_BLOCK_SUSPEND, 0);
}

static void stay_so(void (*wait)(void))
{
	char was[4096], is[4096];

	describe(was, sizeof(was));
	wait();
	describe(is, sizeof(is));
	CHECK(strcmp(was, is) == 0, "it was:\n%sit is:\n%s", was, is);
}

static void set_and_wait(void)
{
	victim_set();
	victim_wait();
}

static void *thread(void *change)
{
	if (change)
		((void (*)(void))change)();
	stay_so(set_and_wait);
	return NULL;
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "unprivileged") == 0) {
		drop_all();
	} else {
		victim_thread(thread, drop_some);
		victim_thread(thread, drop_all);
		victim_thread(thread, keep_root);
		victim_thread(thread, NULL);
	}
	stay_so(victim_ready);
	victim_join();
	victim_ok();
}
