/* TCP_REPAIR; see repair.h. */
#include "lib/repair.h"

#include <errno.h>
#include <netinet/in.h>
#include <linux/tcp.h>
#include <sys/socket.h>

static int set(int fd, int name, int value)
{
	return setsockopt(fd, IPPROTO_TCP, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

int repair_begin(int fd, struct err *e)
{
	int res = set(fd, TCP_REPAIR, TCP_REPAIR_ON);

	if (res == 0)
		return 0;
	err_res(e, res, "look into its connection (TCP_REPAIR)");
	return res == -EPERM ? err_hint(e, "that needs CAP_NET_ADMIN") : res;
}

static void set_reuse(int fd, int reuse)
{
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse));
}

void repair_end(int fd, int reuse)
{
	int on = 0;
	socklen_t size = sizeof(on);

	if (getsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, &size) < 0 || !on)
		return;
	/* Kernels before 4.19 know only the way with a probe. */
	if (set(fd, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP) < 0)
		set(fd, TCP_REPAIR, TCP_REPAIR_OFF);
	set_reuse(fd, reuse);
}

int repair_release(int fd, int reuse, struct err *e)
{
	int res = set(fd, TCP_REPAIR, TCP_REPAIR_OFF);

	if (res < 0)
		return err_res(e, res, "let its connection go on (TCP_REPAIR)");
	set_reuse(fd, reuse);
	return 0;
}

int repair_choose(int fd, enum repair_queue queue, struct err *e)
{
	static const int numbers[] = {
		[REPAIR_NO_QUEUE] = TCP_NO_QUEUE,
		[REPAIR_RECEIVED] = TCP_RECV_QUEUE,
		[REPAIR_SENT] = TCP_SEND_QUEUE,
	};
	int res = set(fd, TCP_REPAIR_QUEUE, numbers[queue]);

	return res < 0 ? err_res(e, res, "choose a queue of its connection") : 0;
}

int repair_get_seq(int fd, enum repair_queue queue, uint32_t *ret, struct err *e)
{
	socklen_t size = sizeof(*ret);

	if (repair_choose(fd, queue, e) < 0)
		return e->code;
	return getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, ret, &size) < 0 ?
		       err_sys(e, "ask for a sequence number") :
		       0;
}

int repair_set_seq(int fd, enum repair_queue queue, uint32_t seq, struct err *e)
{
	int res = repair_choose(fd, queue, e);

	if (res < 0)
		return res;
	res = set(fd, TCP_QUEUE_SEQ, seq);
	return res < 0 ? err_res(e, res, "set a sequence number") : 0;
}
