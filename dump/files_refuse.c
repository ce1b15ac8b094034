/* Descriptors that no kind knows: what they are, in words, and what can be done. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "dump/files.h"
#include "dump/files_table.h"
#include "lib/netlink.h"

static const char close_it[] = "let the program close it before the dump";

/* Links that have a kind in them, what it is called, and what can be done if not just that it is closed. */
static const struct {
	const char *link, *name, *hint;
} links[] = {
	{ "anon_inode:[userfaultfd]", "userfaultfd",
	  "let the program unregister the memory that it watches, and close it, before the dump" },
	{ "anon_inode:[perf_event]", "performance counter",
	  "end the profiler, or let the program close it, before the dump: the kernel does not tell "
	  "what it counts" },
	{ "anon_inode:bpf-prog", "BPF program", NULL },
	{ "anon_inode:bpf_link", "BPF link", NULL },
	{ "anon_inode:[landlock-ruleset]", "Landlock ruleset", NULL },
	{ "anon_inode:seccomp notify", "seccomp listener", NULL },
	{ "anon_inode:[fscontext]", "file system context", NULL },
	{ "anon_inode:kvm-vm", "KVM virtual machine", NULL },
	{ "anon_inode:kvm-vcpu", "KVM processor", NULL },
	{ "anon_inode:", "anonymous inode", NULL },
	{ "/secretmem", "secret memory", NULL },
	{ "/memfd:", "memfd", NULL },
	{ "pidfd:", "pidfd", NULL },
	{ "pipe:", "pipe opened by O_PATH", NULL },
};

static const struct {
	unsigned int major, minor;
	const char *name;
} devices[] = {
	{ 10, 200, "network tunnel" }, { 10, 229, "FUSE" },  { 10, 232, "KVM" },
	{ 1, 11, "kernel log" },       { 1, 1, "/dev/mem" },
};

static void describe_device(const struct file *f, char *buf, size_t size)
{
	unsigned int ma = major(f->st.st_rdev), mi = minor(f->st.st_rdev);
	const char *sort = S_ISCHR(f->st.st_mode) ? "character" : "block";

	for (size_t i = 0; i < ARRAY_SIZE(devices) && S_ISCHR(f->st.st_mode); i++)
		if (devices[i].major == ma && devices[i].minor == mi) {
			snprintf(buf, size, "%s '%s'", devices[i].name, f->link);
			return;
		}
	snprintf(buf, size, "%s device %u:%u '%s'", sort, ma, mi, f->link);
}

static void describe(const struct file *f, char *buf, size_t size)
{
	mode_t type = f->st.st_mode & S_IFMT;

	if (type == S_IFSOCK) {
		int n = snprintf(buf, size, "socket: ");

		netlink_socket_describe(f->fd, buf + n, size - n);
		return;
	}
	if (type == S_IFCHR || type == S_IFBLK) {
		describe_device(f, buf, size);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (strncmp(f->link, links[i].link, strlen(links[i].link)) == 0) {
			snprintf(buf, size, "%s '%s'", links[i].name, f->link);
			return;
		}
	/* "net:[4026531840]" */
	if (f->link[0] != '/' && strchr(f->link, '['))
		snprintf(buf, size, "namespace '%s'", f->link);
	else
		snprintf(buf, size, "'%s'", f->link);
}

static const char *hint_for(const struct file *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(links) && !S_ISSOCK(f->st.st_mode); i++)
		if (links[i].hint && strncmp(f->link, links[i].link, strlen(links[i].link)) == 0)
			return links[i].hint;
	return close_it;
}

int files_refuse(const struct file *f, struct err *e)
{
	char what[512];

	describe(f, what, sizeof(what));
	if (f->num < 0) {
		err_code(e, ENOTSUP, "it leads to a %s, which is not supported yet", what);
		return files_blame(f, e);
	}
	err_code(e, ENOTSUP, "fd %d (%s) of pid %d is not supported yet", f->num, what,
		 f->task->pid);
	if (S_ISCHR(f->st.st_mode) || S_ISBLK(f->st.st_mode))
		return err_hint(
			e,
			"let the program close it before the dump, or use --external "
			"'dev[%u/%u]:NAME' if it has nothing to lose when it is opened anew",
			major(f->st.st_rdev), minor(f->st.st_rdev));
	return err_hint(e, "%s", hint_for(f));
}
