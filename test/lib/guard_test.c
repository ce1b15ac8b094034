/* The guardian puts back what a worker that is killed had changed. */
#include "dump/guard.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "lib/proc.h"
#include "test/lib/unit.h"

static int offset_of(int fd)
{
	int offset = 0;
	socklen_t size = sizeof(offset);

	assert(getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &offset, &size) == 0);
	return offset;
}

static void set_offset(int fd, int offset)
{
	assert(setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset)) == 0);
}

struct looking {
	struct guard_peek was;
	bool ended;
};

static int look_and_die(struct guard *g, void *arg, struct err *e)
{
	struct looking *l = arg;

	(void)e;
	guard_peek_begin(g, &l->was);
	set_offset(l->was.num, 7);
	if (l->ended)
		guard_peek_end(g);
	raise(SIGKILL);
	return 0;
}

static void peek_offset(bool ended, int wanted)
{
	struct options opt = { .dump_stats = &(struct dump_stats){ 0 } };
	struct looking l = { .ended = ended };
	struct err e = { 0 };
	struct proc_stat self;
	struct stat st;
	int pair[2], proc = -1;

	assert(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0 && fstat(pair[0], &st) == 0);
	assert(proc_open(getpid(), &proc, &e) == 0 && proc_stat_read(proc, &self, &e) == 0);
	l.was = (struct guard_peek){ .pid = getpid(),
				     .num = pair[0],
				     .start_time = self.start_time,
				     .ino = st.st_ino,
				     .offset = 3 };
	set_offset(pair[0], 3);
	assert(guard_run(&opt, look_and_die, &l, &e) < 0);
	assert(offset_of(pair[0]) == wanted);
}

static void peek_offset_is_put_back(void)
{
	peek_offset(false, 3);
}

/* What is not noted any more is left alone. */
static void peek_offset_is_forgotten(void)
{
	peek_offset(true, 7);
}

int main(void)
{
	return unit_run((struct unit[]){
		UNIT(peek_offset_is_put_back), UNIT(peek_offset_is_forgotten), {} });
}
