/*
 * A signal that came while the process was stopped, and a thread asleep in read(). When it goes on, the handler runs
 * first: then the call has been interrupted, or is made again if the handler asks for it. It must not be made again in
 * any case, as if the signal had come before: who sets an alarm for a read would wait for ever.
 */
#include <signal.h>
#include <sys/syscall.h>

#include "test/lib/victim.h"

static int ends[2];
static volatile int handled;

static void handler(int sig)
{
	handled = sig;
}

static void *write_later(void *arg)
{
	victim_set();
	while (!handled)
		victim_sleep_ms(5);
	victim_sleep_ms(100);
	SYS(write(ends[1], "x", 1));
	return arg;
}

static void *say_ready(void *arg)
{
	victim_set();
	victim_blocked(getpid(), SYS_read);
	victim_ready();
	return arg;
}

int main(int argc, char **argv)
{
	bool restarts = argc > 1 && strcmp(argv[1], "restarts") == 0;
	struct sigaction action = { .sa_handler = handler, .sa_flags = restarts ? SA_RESTART : 0 };
	sigset_t set;
	char byte;
	ssize_t n;

	SYS(pipe(ends));
	SYS(sigaction(SIGUSR1, &action, NULL));
	/* Only the first thread takes the signal. */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	SYS(sigprocmask(SIG_BLOCK, &set, NULL));
	victim_thread(write_later, NULL);
	victim_thread(say_ready, NULL);
	SYS(sigprocmask(SIG_UNBLOCK, &set, NULL));
	n = read(ends[0], &byte, 1);
	SAME(handled, SIGUSR1);
	if (restarts)
		SAME(n, 1);
	else
		CHECK(n == -1 && errno == EINTR, "read gave %zd, %s", n, strerror(errno));
	victim_join();
	victim_ok();
}
