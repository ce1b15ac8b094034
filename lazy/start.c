/* Starting the process that serves; see server.h. */
#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lazy/server.h"
#include "lazy/serving.h"
#include "lazy/witness.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/own.h"

/* Whoever waits for the end of what we write to is not to wait for us. */
static void leave_stdio(const struct lazy_server *s)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (s->detached && log_fd() <= STDERR_FILENO)
		log_setup(-1, log_level());
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fd != log_fd() && null >= 0)
			dup2(null, fd);
}

static int prepare(struct lazy_server *s, struct err *e)
{
	leave_stdio(s);
	pair_close_others(s);
	if (serving_begin(&s->mark, e) < 0 || tether_begin(&s->tether, e) < 0)
		return e->code;
	for (size_t i = 0; i < s->count; i++) {
		struct lazy_space *sp = &s->spaces[i];

		if (tether_add(&s->tether, sp->pid, e) < 0)
			return e->code;
		sp->witnessed = s->pid_ns && sp->pid == s->first_pid;
		if (sp->witnessed && witness_begin(sp->pid, sp->uffd, &s->witness, e) < 0)
			return e->code;
	}
	return 0;
}

int lazy_server_here(struct lazy_server *s, struct err *e)
{
	if (prepare(s, e) < 0)
		return e->code;
	lazy_server_run(s);
}

/* Nobody's child: neither the tree nor the command is to wait for it. */
static _Noreturn void first(struct lazy_server *s)
{
	struct err e = { 0 };

	if (prepare(s, &e) < 0) {
		(void)!write(s->ready, &e, sizeof(e));
		_exit(1);
	}
	lazy_server_run(s);
}

int lazy_server_start(struct lazy_server *s, struct err *e)
{
	struct err its = { 0 };
	int ends[2];
	pid_t between;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	own_fd hear = ends[0];
	s->ready = ends[1];
	between = fork();
	if (between == 0) {
		if (fork() == 0)
			first(s);
		_exit(0);
	}
	close(s->ready);
	s->ready = -1;
	if (between < 0)
		return err_sys(e, "fork");
	while (waitpid(between, NULL, 0) < 0 && errno == EINTR)
		;
	switch (read(hear, &its, sizeof(its))) {
	case 1:
		return 0;
	case sizeof(its):
		*e = its;
		return err_on(e, "the process that brings pages");
	default:
		return err_say(e, "the process that brings pages could not be started");
	}
}
