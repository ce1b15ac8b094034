/*
 * The restore side by itself, without images: a tree made by hand out of plans. Chosen pids and tids, tasks that wait
 * for each other, nothing mapped but what plans have mapped, filters that would end the runner, registers set at the
 * end, and what happens when a plan fails or a task dies.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "test/lib/unit.h"
#include "test/restore/made.h"

/* --- looking at it ---------------------------------------------------------------------------------- */

static void nothing_else_is_mapped(int pid)
{
	char path[32], line[512];
	int ours = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "re");
	assert(f);
	while (fgets(line, sizeof(line), f)) {
		unsigned long at = strtoul(line, NULL, 16);

		if (strstr(line, "[vsyscall]"))
			continue;
		if (at != CODE_AT && at != TABLES_AT)
			fprintf(stderr, "pid %d has %s", pid, line);
		assert(at == CODE_AT || at == TABLES_AT);
		ours++;
	}
	fclose(f);
	assert(ours == 2);
}

static uint64_t status_of(int tid, const char *name, int base)
{
	char path[64], line[256];
	uint64_t value = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	f = fopen(path, "re");
	assert(f);
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, name, strlen(name)) == 0)
			value = strtoull(line + strlen(name) + 1, NULL, base);
	fclose(f);
	return value;
}

static void all_are_right(void)
{
	for (size_t i = 0; i < m.r.task_count; i++)
		for (size_t k = 0; k < m.tasks[i]->thread_count; k++)
			assert(table_of(i, k)->result == 1);
}

static int count_fds(int pid)
{
	char path[64];
	int count = 0;

	for (int fd = 0; fd < 1000; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
		count += access(path, F_OK) == 0;
	}
	return count;
}

/* Those whose parent is gone have come to us. */
static void nobody_is_left(void)
{
	while (waitpid(-1, NULL, __WALL | WNOHANG) > 0)
		;
	for (size_t i = 0; i < m.r.task_count; i++)
		for (size_t k = 0; k < m.tasks[i]->thread_count; k++)
			assert(kill(m.tasks[i]->threads[k].tid, 0) < 0 && errno == ESRCH);
	assert(waitpid(-1, NULL, __WALL) < 0 && errno == ECHILD);
}

/* --- the tests ---------------------------------------------------------------------------------------- */

static void a_tree_from_plans(void)
{
	int status;

	begin_watching();
	make_tree(TASKS, THREADS);
	prepare_all();
	MUST(finish_threads(&m.r, e));
	for (size_t i = 0; i < TASKS; i++) {
		nothing_else_is_mapped(m.tasks[i]->pid);
		assert(count_fds(m.tasks[i]->pid) == 0);
		for (size_t k = 0; k < THREADS; k++) {
			int tid = m.tasks[i]->threads[k].tid;

			assert((int)status_of(tid, "Tgid:", 10) == m.tasks[i]->pid);
			assert(status_of(tid, "SigBlk:", 16) == 0x5800);
		}
		if (i > 0)
			assert((int)status_of(m.tasks[i]->pid, "PPid:", 10) == m.tasks[i - 1]->pid);
	}
	finish_go(&m.r);
	/* A parent that ends hands its children on to us. */
	for (size_t i = 0; i < TASKS; i++)
		assert(waitpid(-1, &status, __WALL) > 0 && status == 0);
	all_are_right();
	nobody_is_left();
}

/* Ends whoever makes another call than these. */
static const struct sock_filter only_exit[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static void plan_filter(struct plan *p)
{
	struct sock_fprog *prog = plan_data(p, sizeof(*prog));

	prog->len = sizeof(only_exit) / sizeof(only_exit[0]);
	prog->filter = (void *)arena_there(p->arena, plan_copy(p, only_exit, sizeof(only_exit))).at;
	plan_call(p, "no new privileges", SYS_prctl, ARG(PR_SET_NO_NEW_PRIVS), ARG(1));
	plan_call(p, "install the filter", SYS_seccomp, ARG(SECCOMP_SET_MODE_FILTER), ARG(0),
		  DATA(p, prog));
	plan_call(p, "ask under the filter", SYS_getpid);
}

static void filtered(uint64_t call, int expected)
{
	int status;

	begin();
	make_tree(1, 1);
	struct plan p = plan(8);
	plan_filter(&p);
	MUST(run_one(&m.r, m.tasks[0]->pid, &p, "filter", e));
	prepare_all();
	table_of(0, 0)->call = call;
	MUST(finish_threads(&m.r, e));
	nothing_else_is_mapped(m.tasks[0]->pid);
	finish_go(&m.r);
	assert(waitpid(m.tasks[0]->pid, &status, 0) == m.tasks[0]->pid);
	assert(status == expected);
	all_are_right();
}

static void filters_are_on_already(void)
{
	filtered(0, 0);
}

/* And they are on in earnest once the task runs. */
static void filters_stay_on(void)
{
	filtered(SYS_getpid, SIGSYS);
}

/* Each waits for a word of the one before it, the first for a word of the last: all run at the same time. */
static void tasks_wait_for_each_other(void)
{
	struct plan plans[TASKS];
	int pipes[TASKS][2];

	begin_watching();
	make_tree(TASKS, 1);
	for (int i = 0; i < TASKS; i++)
		assert(pipe2(pipes[i], O_CLOEXEC) == 0);
	for (int i = 0; i < TASKS; i++) {
		struct rtask *t = m.tasks[i];
		struct plan *p = &plans[i];
		char *word = NULL;
		int in, out, after = (i + 1) % TASKS;

		*p = plan(8);
		word = plan_data(p, 8);
		in = plan_call(p, "fetch", SYS_pidfd_getfd, ARG(t->helper_fd), ARG(pipes[i][0]));
		out = plan_call(p, "fetch", SYS_pidfd_getfd, ARG(t->helper_fd),
				ARG(pipes[after][1]));
		if (i > 0)
			plan_call(p, "listen", SYS_read, RESULT(in), DATA(p, word), ARG(8));
		plan_call(p, "speak", SYS_write, RESULT(out), DATA(p, word), ARG(8));
		if (i == 0) {
			strcpy(word, "whisper");
			plan_call(p, "listen", SYS_read, RESULT(in), DATA(p, word), ARG(8));
		}
	}
	/* The one that everybody waits for is started last. */
	for (int i = TASKS - 1; i >= 0; i--)
		MUST(run_start(&m.r, m.tasks[i]->pid, &plans[i], "words", e));
	MUST(run_wait(&m.r, e));
	for (int i = 0; i < TASKS; i++) {
		MUST(plan_outcome(&plans[i], e));
		assert(plan_result(&plans[i], 2) == 8 && plan_result(&plans[i], 3) == 8);
		plan_end(&plans[i]);
	}
	run_kill_all(&m.r);
	nobody_is_left();
}

static void a_failure_is_named(void)
{
	struct err e = { 0 };
	struct plan good, bad;

	begin_watching();
	make_tree(2, 2);
	bad = plan(4);
	plan_try(&bad, "try in vain", SYS_close, ARG(-1));
	plan_call(&bad, plan_words(&bad, "open '%s'", "/no/such"), SYS_openat, ARG(-100),
		  DATA(&bad, plan_copy(&bad, "/no/such", 9)), ARG(0));
	plan_call(&bad, "never come here", SYS_exit_group, ARG(1));
	good = plan(1);
	plan_call(&good, "ask", SYS_getpid);
	MUST(run_start(&m.r, m.tasks[0]->pid, &bad, "files of pid 1", e));
	MUST(run_start(&m.r, m.tasks[1]->pid, &good, "files of pid 2", e));
	assert(run_wait(&m.r, &e) == -ENOENT);
	must_say(&e, "files of pid 1: open '/no/such': No such file or directory");
	assert(plan_result(&good, 0) == m.tasks[1]->pid);
	plan_end(&good);
	plan_end(&bad);
	good = plan(1);
	plan_call(&good, "one", SYS_getpid);
	plan_call(&good, "two", SYS_getpid);
	memset(&e, 0, sizeof(e));
	assert(run_one(&m.r, m.tasks[0]->pid, &good, "too much", &e) < 0);
	must_say(&e, "too much: the plan does not fit into 1073741824 bytes (1 calls)");
	run_kill_all(&m.r);
	nobody_is_left();
}

static void a_death_is_named(void)
{
	char sentence[128];
	struct err e = { 0 };
	struct plan dies, waits;

	begin_watching();
	make_tree(2, 3);
	waits = plan(1);
	plan_call(&waits, "wait for ever", SYS_ppoll);
	dies = plan(2);
	plan_call(&dies, "die", SYS_kill, ARG(m.tasks[1]->pid), ARG(SIGKILL));
	MUST(run_start(&m.r, m.tasks[0]->pid, &waits, "a long wait", e));
	MUST(run_start(&m.r, m.tasks[1]->threads[1].tid, &dies, "an end", e));
	assert(run_wait(&m.r, &e) == -ECHILD);
	snprintf(sentence, sizeof(sentence),
		 "thread %d was killed by signal 9 while it was being restored",
		 m.tasks[1]->threads[1].tid);
	assert(strstr(e.text, "was killed by signal 9 while it was being restored"));
	run_kill_all(&m.r);
	nobody_is_left();
}

static void a_helper_may_die(void)
{
	struct plan p;

	begin_watching();
	make_tree(2, 1);
	p = plan(1);
	plan_call(&p, "leave", SYS_exit_group, ARG(7));
	MUST(run_to_death(&m.r, m.tasks[1]->pid, &p, e));
	plan_end(&p);
	p = plan(1);
	int *status = plan_data(&p, sizeof(*status));
	plan_call(&p, "reap", SYS_wait4, ARG(m.tasks[1]->pid), DATA(&p, status), ARG(0), ARG(0));
	MUST(run_one(&m.r, m.tasks[0]->pid, &p, "helper", e));
	assert(*status == 7 << 8);
	run_kill_all(&m.r);
	nobody_is_left();
}

static void a_pid_in_use(void)
{
	char sentence[128];
	struct err e = { 0 };
	struct rtask *t;
	int pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
	}
	begin();
	t = add_task(NULL, 1);
	t->pid = t->threads[0].tid = pid;
	assert(spawn_root(t, &e) == -EEXIST);
	snprintf(sentence, sizeof(sentence), "pid %d is in use by pid %d ('runner_test')", pid,
		 pid);
	must_say(&e, sentence);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	run_kill_all(&m.r);
	assert(waitpid(-1, NULL, __WALL) < 0 && errno == ECHILD);
}

static void restore_for_ever(bool detached)
{
	for (;; memset(&m, 0, sizeof(m))) {
		begin();
		m.opt.detached = detached;
		make_tree(TASKS, 3);
		prepare_all();
		run_kill_all(&m.r);
		spawn_close(&m.r);
		close(m.tables_fd);
		munmap(m.tables, TABLES_SIZE);
	}
}

/* Whatever had been made is gone as well. */
static void killed_at_any_time(bool detached)
{
	assert(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	for (int round = 0; round < 150; round++) {
		int pid = fork(), got;

		if (pid == 0)
			restore_for_ever(detached);
		usleep(random() % 8000);
		kill(pid, SIGKILL);
		for (int ms = 0; (got = waitpid(-1, NULL, __WALL | WNOHANG)) >= 0; ms += got == 0) {
			assert(ms < 5000);
			usleep(got ? 0 : 1000);
		}
	}
}

static void killed_with_a_child(void)
{
	killed_at_any_time(false);
}

static void killed_with_an_orphan(void)
{
	killed_at_any_time(true);
}

int main(void)
{
	srandom(getpid());
	return unit_run((struct unit[]){
		UNIT(a_tree_from_plans),
		UNIT(filters_are_on_already),
		UNIT(filters_stay_on),
		UNIT(tasks_wait_for_each_other),
		UNIT(a_failure_is_named),
		UNIT(a_death_is_named),
		UNIT(a_helper_may_die),
		UNIT(a_pid_in_use),
		UNIT(killed_with_a_child),
		UNIT(killed_with_an_orphan),
		{},
	});
}
