/* A restore made by hand, out of plans and without images, whose threads check their registers (check_code.h). */
#ifndef STASIS_TEST_MADE_H
#define STASIS_TEST_MADE_H

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "images/xstate.h"
#include "restore/run.h"
#include "restore/spawn.h"
#include "restore/stages.h"
#include "test/lib/said.h"
#include "test/restore/check_code.h"

enum { TASKS = 3, THREADS = 5, SLOT = 1024 };
#define CODE_AT 0x10000000UL
#define TABLES_AT 0x20000000UL
#define TABLES_SIZE (TASKS * THREADS * SLOT + 4096UL)

static struct made {
	struct restore r;
	struct options opt;
	struct restore_stats stats;
	struct rtask *tasks[TASKS];
	char *tables; /* shared with the tasks */
	int tables_fd;
} m;

/* --- making it ---------------------------------------------------------------------------------- */

/* Half the numbers away from our own: the kernel gives out the next ones to whoever is born now. */
static inline int free_number(void)
{
	enum { FEWEST = 32768, LOWEST = 300, HALF = (FEWEST - LOWEST) / 2 };
	static int next;
	char path[32];

	if (!next)
		next = LOWEST + (getpid() + HALF) % (FEWEST - LOWEST - SLOT);
	do
		snprintf(path, sizeof(path), "/proc/%d", ++next);
	while (access(path, F_OK) == 0);
	return next;
}

static inline struct rtask *add_task(struct rtask *parent, size_t threads)
{
	struct rtask *t = pool_new(&m.r.pool, struct rtask);

	t->restore = &m.r;
	t->parent = t->creator = parent;
	t->state = 1;
	t->helper_fd = -1;
	t->thread_count = threads;
	t->threads = pool_array(&m.r.pool, struct rthread, threads);
	for (size_t k = 0; k < threads; k++) {
		t->threads[k] = (struct rthread){ .task = t, .tid = free_number() };
		t->threads[k].here = t->threads[k].tid;
	}
	/* Threads need not have numbers above their leader's, nor in order. */
	t->pid = t->threads[0].tid;
	m.tasks[m.r.task_count++] = t;
	return t;
}

static inline void begin(void)
{
	options_init(&m.opt);
	m.opt.restore_stats = &m.stats;
	m.r.opt = &m.opt;
	m.r.arena_fd = m.r.images = -1;
	m.r.tasks = m.tasks;
	m.r.xstate = pool_new(&m.r.pool, struct xstate_layout);
	xstate_layout_read(m.r.xstate);
	m.tables_fd = memfd_create("tables", MFD_CLOEXEC);
	assert(ftruncate(m.tables_fd, TABLES_SIZE) == 0);
	m.tables = mmap(NULL, TABLES_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, m.tables_fd, 0);
	assert(m.tables != MAP_FAILED);
	MUST(runs_open(&m.r, e));
	MUST(spawn_arena(&m.r, e));
}

/* So that those whose parent is gone are seen here if they are left. */
static inline void begin_watching(void)
{
	assert(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	begin();
}

static inline struct plan plan(uint32_t room)
{
	struct plan p;

	MUST(plan_begin(&p, &m.r.arena, room, e));
	return p;
}

static inline void plan_child(struct plan *p, struct rtask *t)
{
	struct clone_args *args = plan_data(p, sizeof(*args));
	pid_t *tid = plan_data(p, sizeof(*tid));

	*tid = t->pid;
	args->flags = CLONE_PTRACE;
	args->exit_signal = SIGCHLD;
	args->set_tid = arena_there(p->arena, tid).at;
	args->set_tid_size = 1;
	plan_call(p, plan_words(p, "create process %d", t->pid), SYS_clone3, DATA(p, args),
		  ARG(sizeof(*args)));
}

static inline void make_tree(size_t tasks, size_t threads)
{
	struct rtask *root = add_task(NULL, threads);

	MUST(spawn_root(root, e));
	for (size_t i = 1; i < tasks; i++) {
		struct rtask *t = add_task(m.tasks[i - 1], threads);
		struct plan p = plan(1);

		plan_child(&p, t);
		MUST(run_one(&m.r, t->creator->pid, &p, "a child", e));
		MUST(run_await_birth(&m.r, &t->threads[0], e));
		t->helper_fd = root->helper_fd;
	}
	if (threads > 1)
		MUST(stage_threads(&m.r, e));
}

/* The code by way of a memfd made inside, the tables by way of our descriptor. */
static inline void map_things(struct rtask *t)
{
	size_t size = check_code_end - check_code;
	struct plan p = plan(32);
	int fd, ours;

	fd = plan_call(&p, "make a file", SYS_memfd_create, DATA(&p, plan_copy(&p, "code", 5)),
		       ARG(0));
	plan_call(&p, "write the code", SYS_write, RESULT(fd),
		  DATA(&p, plan_copy(&p, check_code, size)), ARG(size));
	plan_call(&p, "map the code", SYS_mmap, ARG(CODE_AT), ARG(4096), ARG(PROT_READ | PROT_EXEC),
		  ARG(MAP_PRIVATE | MAP_FIXED_NOREPLACE), RESULT(fd), ARG(0));
	plan_call(&p, "close it", SYS_close, RESULT(fd));
	ours = plan_call(&p, "fetch the tables", SYS_pidfd_getfd, ARG(t->helper_fd),
			 ARG(m.tables_fd), ARG(0));
	plan_call(&p, "map the tables", SYS_mmap, ARG(TABLES_AT), ARG(TABLES_SIZE),
		  ARG(PROT_READ | PROT_WRITE), ARG(MAP_SHARED | MAP_FIXED_NOREPLACE), RESULT(ours),
		  ARG(0));
	plan_call(&p, "close them", SYS_close, RESULT(ours));
	plan_call(&p, "close the way to us", SYS_close, ARG(t->helper_fd));
	plan_call(&p, "unmap what was parked", SYS_munmap, ARG(m.r.park_at), ARG(m.r.park_size));
	MUST(run_one(&m.r, t->pid, &p, "mappings", e));
}

/* --- registers ---------------------------------------------------------------------------------- */

static inline struct check_table *table_of(size_t task, size_t thread)
{
	return (struct check_table *)(m.tables + (task * THREADS + thread) * SLOT);
}

static inline uint64_t table_there(const void *table)
{
	return TABLES_AT + ((const char *)table - m.tables);
}

static inline void fill_table(struct check_table *c, unsigned int seed)
{
	uint8_t *bytes = (uint8_t *)c;

	_Static_assert(offsetof(struct check_table, call) == 736 && sizeof(*c) <= SLOT, "layout");
	for (size_t i = 0; i < sizeof(*c); i++)
		bytes[i] = (seed += 41) * 13 >> 2;
	c->flags =
		0x202 |
		0x895; /* carry, parity, adjust, sign, overflow; the first two bits are always on */
	c->whole = m.r.xstate->part[2].size && __builtin_cpu_supports("avx2");
	c->mxcsr = 0x1fa0;
	c->fs_word = c->general[0];
	c->gs_word = c->general[1];
	c->others = c->last = c->result = c->call = 0;
	c->ended = (uint64_t *)table_there(m.tables + TABLES_SIZE - 4096);
}

static inline UserX86RegsEntry *general(const struct check_table *c)
{
	UserX86RegsEntry *g = pool_new(&m.r.pool, UserX86RegsEntry);
	const uint64_t *v = c->general;

	user_x86_regs_entry__init(g);
	g->ax = v[0], g->bx = v[1], g->cx = v[2], g->dx = v[3], g->si = v[4], g->di = v[5];
	g->bp = v[6], g->r8 = v[7], g->r9 = v[8], g->r10 = v[9], g->r11 = v[10], g->r12 = v[11];
	g->r13 = v[12], g->r14 = v[13], g->r15 = v[14];
	g->orig_ax = -1;
	g->ip = CODE_AT;
	g->sp = table_there(c);
	g->flags = c->flags;
	g->cs = 0x33;
	g->ss = 0x2b;
	g->fs_base = table_there(&c->general[0]);
	g->gs_base = table_there(&c->general[1]);
	return g;
}

static inline void extended(const struct check_table *c, ThreadInfoX86 *ret)
{
	const struct xstate_part *avx = &m.r.xstate->part[2];
	uint8_t *buf = pool_alloc(&m.r.pool, m.r.xstate->size);
	struct xstate x = { m.r.xstate, buf, m.r.xstate->size };
	uint16_t control = 0x37f;
	uint32_t mxcsr[2] = { c->mxcsr, 0xffff };
	uint64_t in_use = avx->size ? 7 : 3;

	memcpy(buf, &control, sizeof(control));
	memcpy(buf + 24, mxcsr, sizeof(mxcsr));
	memcpy(buf + 512, &in_use, sizeof(in_use));
	for (int i = 0; i < 16; i++) {
		memcpy(buf + 160 + 16 * i, c->vector[i], 16);
		if (avx->size)
			memcpy(buf + avx->offset + 16 * i, c->vector[i] + 16, 16);
	}
	xstate_to_image(&m.r.pool, &x, ret);
}

static inline void give_registers(struct rthread *th, const struct check_table *c)
{
	CoreEntry *core = pool_new(&m.r.pool, CoreEntry);

	core_entry__init(core);
	core->thread_info = pool_new(&m.r.pool, ThreadInfoX86);
	thread_info_x86__init(core->thread_info);
	core->thread_info->gpregs = general(c);
	extended(c, core->thread_info);
	core->thread_core = pool_new(&m.r.pool, ThreadCoreEntry);
	thread_core_entry__init(core->thread_core);
	core->thread_core->has_blk_sigset = 1;
	core->thread_core->blk_sigset = 0x5800;
	if (th == &th->task->threads[0]) {
		core->tc = pool_new(&m.r.pool, TaskCoreEntry);
		task_core_entry__init(core->tc);
		core->tc->blk_sigset = 0x5800;
		th->task->core = core;
	}
	th->core = core;
}

/* Thread 0 of each task waits for the others before it ends the process. */
static inline void prepare_all(void)
{
	for (size_t i = 0; i < m.r.task_count; i++) {
		struct rtask *t = m.tasks[i];

		map_things(t);
		for (size_t k = 0; k < t->thread_count; k++) {
			struct check_table *c = table_of(i, k);

			fill_table(c, i * 100 + k);
			c->ended += i;
			c->last = k == 0;
			c->others = t->thread_count - 1;
			give_registers(&t->threads[k], c);
		}
	}
}

#endif
