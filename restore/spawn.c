/*
 * The first process: cloned with its pid by clone3(set_tid), it executes the stub, which has an address
 * space to itself, maps the arena, and gives up everything else but the vdso, which is parked beside the arena.
 */
#include "restore/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/log.h"
#include "lib/maps.h"
#include "lib/proc.h"
#include "lib/ptrace.h"
#include "restore/files.h"
#include "restore/ns.h"
#include "restore/run.h"
#include "restore/user_ns.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

extern const char stub_elf_start[], stub_elf_end[];

enum { STUB_SYSCALL_AT = 1 }; /* behind the first int3, see stub.c */

#define ARENA_SIZE (1UL << 30) /* address space; memory comes as it is touched */
#define PARK_SIZE (1UL << 20)  /* half of it for restore/mm/vdso.c */
#define GAP_SIZE (16UL << 20)  /* kept free around both */
/* Above what is mapped low, below what the kernel maps top down and where it puts the stub's stack. */
#define SEARCH_FROM 0x1000000000UL
#define SEARCH_TO 0x500000000000UL
#define USER_END 0x7ffffffff000UL

/* The end of the highest mapping of any task that touches [at, at + size), 0: it is free in all. */
static uint64_t taken(const struct restore *r, uint64_t at, uint64_t size)
{
	uint64_t end = 0;

	for (size_t i = 0; i < r->task_count; i++) {
		const MmEntry *mm = r->tasks[i]->mm;

		for (size_t k = 0; mm && k < mm->n_vmas; k++)
			if (mm->vmas[k]->start < at + size && mm->vmas[k]->end > at &&
			    mm->vmas[k]->end > end)
				end = mm->vmas[k]->end;
	}
	return end;
}

int spawn_arena(struct restore *r, struct err *e)
{
	uint64_t need = ARENA_SIZE + PARK_SIZE + 3 * GAP_SIZE, at = SEARCH_FROM, end;

	while ((end = taken(r, at, need)) && at + need < SEARCH_TO)
		at = end;
	if (end)
		return err_code(e, ENOMEM,
				"the tasks leave no common gap of %lu MiB for the runner",
				need >> 20);
	r->arena_fd = memfd_create("stasis-arena", MFD_CLOEXEC);
	if (r->arena_fd < 0 || ftruncate(r->arena_fd, ARENA_SIZE) < 0)
		return err_sys(e, "make the arena");
	r->arena.here = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
			     r->arena_fd, 0);
	if (r->arena.here == MAP_FAILED) {
		r->arena.here = NULL;
		return err_sys(e, "map the arena");
	}
	r->arena.there = TPTR(at + GAP_SIZE);
	r->arena.size = ARENA_SIZE;
	r->park_at = at + GAP_SIZE + ARENA_SIZE + GAP_SIZE;
	r->park_size = PARK_SIZE;
	arena_init(&r->arena);
	return 0;
}

void spawn_close(struct restore *r)
{
	if (r->arena.here)
		munmap(r->arena.here, ARENA_SIZE);
	r->arena.here = NULL;
	own_close(&r->arena_fd);
	r->arena_fd = -1;
}

static int make_stub(int *ret, struct err *e)
{
	size_t size = stub_elf_end - stub_elf_start;
	own_fd fd = memfd_create("stasis-stub", MFD_CLOEXEC | MFD_EXEC);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("stasis-stub", MFD_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "make the stub");
	if (io_write(fd, stub_elf_start, size, "the stub", e) < 0)
		return e->code;
	*ret = take_fd(&fd);
	return 0;
}

/* What the new process is given. */
struct newborn {
	const struct restore *r;
	int stub, arena, self, helper_fd;
	int gate[2]; /* a pipe: a word comes when we trace it, or its end if we are no more */
};

/* A pid namespace belongs to the user namespace that whoever clones its first process is in. */
static bool is_born_inside(const struct restore *r)
{
	return rns_is_own(r, NS_USER) && rns_is_own(r, NS_PID) && r->ns->pid_fd < 0;
}

/*
 * In the child. Anything that fails ends it; the parent sees that. No randomization: the kernel's own
 * mappings then stay away from the arena.
 */
static void become_stub(const struct newborn *n)
{
	static char *const none[] = { "stasis-stub", NULL };
	char go;

	close(n->gate[1]);
	if (read(n->gate[0], &go, sizeof(go)) != sizeof(go))
		_exit(126);
	if (rns_enter(n->r) < 0)
		_exit(124);
	if (rns_is_own(n->r, NS_USER) && !is_born_inside(n->r) && ruser_enter(n->r) < 0)
		_exit(123);
	personality(ADDR_NO_RANDOMIZE);
	/* Out of the way of each other first: the numbers that they are to have may be taken by one of them. */
	int stub = fcntl(n->stub, F_DUPFD_CLOEXEC, n->helper_fd + 2);
	int arena = fcntl(n->arena, F_DUPFD_CLOEXEC, n->helper_fd + 2);
	int self = fcntl(n->self, F_DUPFD_CLOEXEC, n->helper_fd + 2);
	if (stub < 0 || dup3(self, n->helper_fd, 0) < 0 || dup3(arena, n->helper_fd + 1, 0) < 0)
		_exit(125);
	execveat(stub, "", none, none + 1, AT_EMPTY_PATH);
	_exit(127);
}

/* Returns the pid or -errno; the new process does not come back. */
static long clone_in_ours(pid_t pid, uint64_t flags, int exit_signal, const struct newborn *n)
{
	struct clone_args args = {
		.flags = flags,
		.exit_signal = exit_signal,
		.set_tid = (uintptr_t)&pid,
		.set_tid_size = 1,
	};
	char proc[32];
	long got;

	snprintf(proc, sizeof(proc), "/proc/%d", pid);
	/* A process leaves /proc before the kernel gives up its number: a moment, or longer where others have the processors. */
	for (int i = 0; i < 1000; i++) {
		got = syscall(SYS_clone3, &args, sizeof(args));
		got = got < 0 ? -errno : got;
		if (got != -EEXIST || access(proc, F_OK) == 0)
			break;
		usleep(1000);
	}
	if (got == 0)
		become_stub(n);
	return got;
}

/* A pid namespace that is there already, -1: none was given. */
static int given_namespace(const struct restore *r)
{
	return r->ns ? r->ns->pid_fd : -1;
}

/* Into a pid namespace that is there already, those are born who are born after setns(); we stay where we are. */
static long clone_with_pid(pid_t pid, uint64_t flags, int exit_signal, const struct newborn *n)
{
	int there = given_namespace(n->r);
	own_fd ours = there < 0 ? -1 : open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	long got;

	if (there < 0)
		return clone_in_ours(pid, flags, exit_signal, n);
	if (ours < 0 || setns(there, CLONE_NEWPID) < 0)
		return -errno;
	got = clone_in_ours(pid, flags, exit_signal, n);
	if (setns(ours, CLONE_NEWPID) < 0)
		log_warn("processes of ours will be born into the pid namespace of the tree");
	return got;
}

/*
 * By a process that ends at once, so that nobody's end can be taken for that of the parent later on: ours, when the
 * tree runs by itself, would send the parent-death signal.
 */
static long clone_orphan(pid_t pid, uint64_t flags, int signal, const struct newborn *n)
{
	enum { IN_THE_WAY = 255 };
	volatile long here = -1;
	int status;
	pid_t middle;

	do {
		middle = vfork();
		if (middle == 0) {
			long got = is_born_inside(n->r) ? ruser_enter(n->r) : 0;

			if (got == 0)
				got = getpid() == pid ? -IN_THE_WAY :
							clone_with_pid(pid, flags, signal, n);

			here = got; /* vfork(): this is their memory, too */
			_exit(got < 0 ? (int)-got : 0);
		}
		if (middle < 0)
			return -errno;
		while (waitpid(middle, &status, 0) < 0 && errno == EINTR)
			;
	} while (WIFEXITED(status) && WEXITSTATUS(status) == IN_THE_WAY);
	if (!WIFEXITED(status))
		return -ECHILD;
	return WEXITSTATUS(status) ? -WEXITSTATUS(status) : here;
}

static int clone_root(struct rtask *t, const struct newborn *n, struct err *e)
{
	const struct options *opt = t->restore->opt;
	/* With a new pid namespace the number is the one that it has in there. */
	const struct restore *r = t->restore;
	uint64_t flags = rns_is_own(r, NS_PID) && r->ns->pid_fd < 0 ? CLONE_NEWPID : 0;
	char name[64];
	long pid;

	if (opt->restore_sibling)
		pid = clone_with_pid(t->pid, flags | CLONE_PARENT, 0, n);
	else if (opt->detached)
		pid = clone_orphan(t->pid, flags, SIGCHLD, n);
	else if (is_born_inside(r)) /* our child, although another one makes it */
		pid = clone_orphan(t->pid, flags | CLONE_PARENT, 0, n);
	else
		pid = clone_with_pid(t->pid, flags, SIGCHLD, n);
	ruser_mend(r);
	if (pid >= 0) {
		t->threads[0].here = (int)pid;
		return 0;
	}
	if (pid == -EEXIST && given_namespace(r) >= 0)
		return err_code(e, EEXIST, "pid %d is in use in the pid namespace that is given",
				t->pid);
	if (pid == -EEXIST)
		return err_code(e, EEXIST, "pid %d is in use by %s", t->pid,
				proc_name(t->pid, name, sizeof(name)));
	err_res(e, pid, "clone3 with pid %d", t->pid);
	if (pid == -EPERM)
		err_hint(e, "this needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN");
	return e->code;
}

static int wait_trap(int pid, struct err *e)
{
	char text[64];
	struct stop s;

	if (tracee_wait(pid, &s, e) < 0)
		return e->code;
	if (s.kind != STOP_SIGNAL || s.value != SIGTRAP)
		return err_say(e, "the new process %d %s before it was ready", pid,
			       stop_text(s, text, sizeof(text)));
	return 0;
}

/* Makes the stub map the arena, by the one system call instruction that it has. */
static int map_arena(struct restore *r, int pid, int arena_fd, struct err *e)
{
	struct user_regs_struct regs;

	if (tracee_get_regs(pid, &regs, e) < 0)
		return e->code;
	run_set_base(r, &regs);
	regs.rax = SYS_mmap;
	regs.orig_rax = -1;
	regs.rdi = r->arena.there.at;
	regs.rsi = ARENA_SIZE;
	regs.rdx = PROT_READ | PROT_WRITE | PROT_EXEC;
	regs.r10 = MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_NORESERVE;
	regs.r8 = arena_fd;
	regs.r9 = 0;
	if (tracee_set_mask(pid, ~(1ULL << (SIGTRAP - 1)), e) < 0 ||
	    tracee_set_regs(pid, &regs, e) < 0 || tracee_go(pid, PTRACE_CONT, 0, e) < 0 ||
	    wait_trap(pid, e) < 0 || tracee_get_regs(pid, &regs, e) < 0)
		return e->code;
	if (regs.rax != r->arena.there.at)
		return err_res(e, (long)regs.rax, "map the arena in the new process");
	return 0;
}

/* The vdso finds its data relative to itself: all pieces move by the same distance. */
static int park_vdso(struct restore *r, int pid, struct plan *p, struct err *e)
{
	own_fd proc = -1;
	uint64_t first = 0;
	struct maps maps;
	const struct vma *v;

	if (proc_open(pid, &proc, e) < 0 || maps_read_brief(proc, &r->pool, &maps, e) < 0)
		return e->code;
	v = maps.vmas;
	for (size_t i = 0; i < maps.count; i++) {
		bool vdso = strcmp(v[i].name, "[vdso]") == 0;
		uint64_t size = v[i].end - v[i].start, to;

		if (!vdso && strncmp(v[i].name, "[vvar", 5) != 0)
			continue;
		first = first ? first : v[i].start;
		to = r->park_at + (v[i].start - first);
		plan_call(p, "park the vdso", SYS_mremap, ARG(v[i].start), ARG(size), ARG(size),
			  ARG(MREMAP_MAYMOVE | MREMAP_FIXED), ARG(to));
		if (vdso) {
			r->vdso_at = to;
			r->vdso_size = size;
		} else {
			r->vvar_at = r->vvar_size ? r->vvar_at : to;
			r->vvar_first = r->vvar_size ? r->vvar_first : size;
			r->vvar_size += size;
		}
	}
	return 0;
}

/* Nothing is left but the arena, the parked vdso, and the descriptor that leads to us. */
static int clear_out(struct rtask *t, struct err *e)
{
	struct restore *r = t->restore;
	uint64_t park_end = r->park_at + r->park_size, arena_end = r->arena.there.at + ARENA_SIZE;
	struct plan p;

	if (plan_begin(&p, &r->arena, 16, e) < 0)
		return e->code;
	plan_call(&p, "randomize addresses again", SYS_personality, ARG(r->born.personality));
	r->vvar_size = 0;
	if (park_vdso(r, rtask_here(t), &p, e) < 0) {
		plan_end(&p);
		return e->code;
	}
	plan_call(&p, "unmap what lies below", SYS_munmap, ARG(0), ARG(r->arena.there.at));
	plan_call(&p, "unmap what lies between", SYS_munmap, ARG(arena_end),
		  ARG(r->park_at - arena_end));
	plan_call(&p, "unmap what lies above", SYS_munmap, ARG(park_end), ARG(USER_END - park_end));
	if (t->helper_fd > 0)
		plan_call(&p, "close descriptors", SYS_close_range, ARG(0), ARG(t->helper_fd - 1));
	plan_call(&p, "close descriptors", SYS_close_range, ARG(t->helper_fd + 1), ARG(~0U));
	return run_one(r, rtask_here(t), &p, "empty the first process", e);
}

/* Whom tasks take descriptors from. */
static int open_lender(struct restore *r, int *ret, struct err *e)
{
	if (rns_is_own(r, NS_USER) && !r->opt->dry_run)
		return ruser_lend(r, ret, e);
	*ret = syscall(SYS_pidfd_open, getpid(), 0);
	return *ret < 0 ? err_sys(e, "pidfd_open of ourselves") : 0;
}

int spawn_root(struct rtask *t, struct err *e)
{
	struct restore *r = t->restore;
	unsigned long options = RUN_OPTIONS | PTRACE_O_SUSPEND_SECCOMP;
	int gate[2] = { -1, -1 }, here;
	own_fd stub = -1;
	own_fd self = -1;

	if (open_lender(r, &self, e) < 0)
		return e->code;
	if (self < 0 || pipe2(gate, O_CLOEXEC) < 0)
		return err_sys(e, "prepare the first process");
	own_fd wait = gate[0];
	own_fd go = gate[1];
	t->helper_fd = rfiles_free_number(t);
	if (r->opt->dry_run)
		return 0;
	if (make_stub(&stub, e) < 0)
		return e->code;
	struct newborn n = { r, stub, r->arena_fd, self, t->helper_fd, { wait, go } };
	if (clone_root(t, &n, e) < 0)
		return e->code;
	here = rtask_here(t);
	if (tracee_seize(here, options, e) < 0 && tracee_seize(here, RUN_OPTIONS, e) < 0) {
		kill(here, SIGKILL);
		return e->code;
	}
	memset(e, 0, sizeof(*e));
	if (run_adopt(r, here, e) < 0 || io_write(go, "", 1, "the gate", e) < 0 ||
	    wait_trap(here, e) < 0 || map_arena(r, here, t->helper_fd + 1, e) < 0)
		return e->code;
	return clear_out(t, e);
}
