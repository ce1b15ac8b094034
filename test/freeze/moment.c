/*
 * moment WHAT PACE MIB ROUNDS: processes and threads that write as fast as they may (PACE: idle, paced, full), while something
 * (WHAT: a name of the table below, or "all") changes mappings, tasks, and memory in other ways. Whatever is taken
 * of them by a dump must be of one moment; see page.h and crew.h for how they know.
 */
#include "test/freeze/kernel.h"
#include "test/freeze/objects.h"
#include "test/freeze/tasks.h"

enum { MIB_PAGES = 256, WRITER_ID = 0x10, OWN_ID = 0x20 };

static const struct disturbance disturbances[] = {
	{ .name = "none", .make = do_none, .alone = true },
	{ .name = "unmap", .make = do_unmap },
	{ .name = "move", .make = do_move },
	{ .name = "fixed", .make = do_fixed },
	{ .name = "dontneed", .make = do_dontneed },
	{ .name = "free", .make = do_free },
	{ .name = "remove", .make = do_remove },
	{ .name = "revive", .make = do_revive },
	{ .name = "truncate", .make = do_truncate },
	{ .name = "pwrite", .make = do_pwrite },
	{ .name = "alias", .make = do_alias },
	{ .name = "brief", .make = do_brief },
	{ .name = "protect", .make = do_protect },
	{ .name = "brk", .make = do_brk },
	{ .name = "fork", .make = do_fork },
	{ .name = "vfork", .make = do_vfork },
	{ .name = "exec", .make = do_exec },
	{ .name = "threads", .make = do_threads },
	{ .name = "processes", .make = do_processes },
	{ .name = "huge", .make = do_huge, .lacks = lacks_huge },
	{ .name = "swap", .make = do_swap, .lacks = lacks_swap },
	{ .name = "direct", .make = do_direct, .lacks = lacks_direct },
	{ .name = "pipe", .make = do_pipe },
	{ .name = "socket", .make = do_socket, .alone = true },
	{ .name = "signal", .make = do_signal },
	{ .name = "sibling", .make = do_sibling },
	{ .name = NULL },
};

static const struct disturbance *chosen; /* NULL: all */
static struct worker writers[PRIVATE_WRITERS], sharer, disturber;

static void check_own(struct worker *w)
{
	region_check(&w->own);
}

static void check_nothing(struct worker *w)
{
	(void)w;
}

/* The position in a register and on the stack must be that of the memory. */
static void *write_private(void *arg)
{
	struct worker *w = arg;
	struct region *r = &w->own;
	uint64_t step = r->head;
	volatile uint64_t on_stack = step;

	victim_set();
	while (carry_on(w, check_own)) {
		CHECK(r->head == step && on_stack == step,
		      "'%s' is at step %lld by its register, %lld by its stack, %lld by its memory",
		      r->name, (long long)step, (long long)on_stack, (long long)r->head);
		region_write(r, mixed(step) % r->pages);
		take_ticket(w);
		on_stack = ++step;
	}
	return NULL;
}

static void write_shared(struct worker *w)
{
	while (carry_on(w, check_nothing)) {
		for (int i = 0; i < KINDS; i++) {
			uint32_t page = mixed(w->steps * KINDS + i + w->process) %
					(shared_pages - FIRST_PAGE);

			if (!shared_write(w, i, FIRST_PAGE + page))
				sched_yield();
		}
		take_ticket(w);
	}
}

static void *shared_main(void *arg)
{
	victim_set();
	write_shared(arg);
	return NULL;
}

static const struct disturbance *choose(uint64_t dice)
{
	const size_t count = sizeof(disturbances) / sizeof(*disturbances) - 1;
	const struct disturbance *d = chosen;

	while (!d || (!chosen && (d->alone || (d->lacks && d->lacks()))))
		d = &disturbances[(dice = mixed(dice + 1)) % count];
	return d;
}

static void check_disturbed(struct worker *w)
{
	struct region *all[] = { &w->own, &heap, &big, &direct, &inbox };

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (all[i]->want)
			region_check(all[i]);
	box_check();
}

static void *disturb(void *arg)
{
	struct worker *w = arg;
	uint64_t head;

	w->disturbance = disturbances;
	victim_set();
	while (carry_on(w, check_disturbed)) {
		uint64_t dice = mixed(w->steps << 8 | w->process);

		w->disturbance = choose(dice);
		w->disturbance->make(w, mixed(dice));
		head = w->own.head;
		take_ticket(w);
		CHECK(w->own.head == head);
	}
	return NULL;
}

static void worker_number(struct worker *w)
{
	w->process = process;
	w->own.process = process;
}

static void workers_make(uint32_t mib)
{
	uint32_t pages = mib * MIB_PAGES;

	for (int i = 0; i < PRIVATE_WRITERS; i++)
		region_make(&writers[i].own, i ? "second writer" : "first writer", WRITER_ID + i,
			    pages / 8);
	region_make(&disturber.own, "disturbed memory", OWN_ID, pages / 16);
	for (int i = 0; i < KINDS; i++) {
		sharer.written[i] = map_private(shared_pages * sizeof(uint32_t));
		disturber.written[i] = map_private(shared_pages * sizeof(uint32_t));
	}
	/* So that there are pages which a child shares with its parent. */
	for (int i = 0; i < PRIVATE_WRITERS; i++)
		for (uint32_t p = 0; p < writers[i].own.pages; p += 2)
			region_write(&writers[i].own, p);
}

/* The one that disturbs is the last: nobody else maps anything from then on. */
static void workers_start(void)
{
	for (int i = 0; i < PRIVATE_WRITERS; i++) {
		worker_number(&writers[i]);
		victim_thread(write_private, &writers[i]);
	}
	worker_number(&sharer);
	if (process == 0)
		victim_thread(shared_main, &sharer);
	worker_number(&disturber);
	victim_thread(disturb, &disturber);
}

static void child(int number)
{
	process = number;
	workers_start();
	victim_set();
	write_shared(&sharer);
	victim_join();
	_exit(0);
}

static enum pace pace_of(const char *name)
{
	if (strcmp(name, "idle") == 0)
		return IDLE;
	CHECK(strcmp(name, "full") == 0 || strcmp(name, "paced") == 0, "%s", name);
	return *name == 'p' ? PACED : FULL;
}

static void choose_by_name(const char *name)
{
	const struct disturbance *d = disturbances;

	if (strcmp(name, "all") == 0)
		return;
	while (d->name && strcmp(d->name, name) != 0)
		d++;
	CHECK(d->name, "%s", name);
	if (d->lacks && d->lacks())
		victim_skip(d->lacks());
	chosen = d;
}

static void set_up(const char *name, uint32_t mib)
{
	direct_open();
	choose_by_name(name);
	kinds_make(mib * MIB_PAGES / 16);
	SYS(pipe2(pipe_ends, O_NONBLOCK | O_CLOEXEC));
	if (strcmp(name, "socket") == 0)
		SYS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
			       socket_ends));
	box_make();
	workers_make(mib);
}

int main(int argc, char **argv)
{
	int rounds = argc > 4 ? atoi(argv[4]) : 0;
	pid_t children[PROCESSES] = { 0 };

	if (argc > 1 && strcmp(argv[1], "again") == 0)
		live_again();
	pace = pace_of(argc > 2 ? argv[2] : "full");
	set_up(argc > 1 ? argv[1] : "all", argc > 3 ? atoi(argv[3]) : 48);
	for (int i = 1; i < PROCESSES; i++) {
		children[i] = victim_fork();
		if (children[i] == 0)
			child(i);
	}
	workers_start();
	for (; rounds >= 0; rounds--) {
		victim_ready();
		crew_inspect(children, rounds == 0);
	}
	for (int i = 1; i < PROCESSES; i++)
		victim_reap(children[i]);
	victim_join();
	victim_ok();
}
