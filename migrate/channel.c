/* Messages between the two sides; see channel.h. */
#include "migrate/channel.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/checksum.h"
#include "lib/io.h"
#include "lib/own.h"

#define MAGIC "smig"

enum { LOOK_MS = 100, GREETING_SECONDS = 120, MOST_BYTES = 64 << 20, SHOWN = 120 };

/* Little endian, like the stream. */
struct head {
	char magic[4];
	uint32_t kind;
	uint64_t size, sum, head_sum;
};

void message_free(struct message *m)
{
	free(m->data);
	m->data = NULL;
}

static int gone(struct err *e)
{
	return err_code(e, ENOTCONN, "the other side has gone away");
}

/* For one more moment. */
static int look(const struct channel *c, uint64_t until, struct err *e)
{
	if (c->go_on && c->go_on(c->arg, e) < 0)
		return e->code;
	if (until && io_now_us() > until)
		return err_code(e, ETIMEDOUT, "the other side says nothing");
	return 0;
}

static int await(const struct channel *c, int fd, short events, uint64_t until, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n;

	while ((n = poll(&p, 1, LOOK_MS)) <= 0) {
		if (n < 0 && errno != EINTR)
			return err_sys(e, "wait for the other side");
		if (look(c, until, e) < 0)
			return e->code;
	}
	return 0;
}

/* --- out ----------------------------------------------------------------------------------------- */

static ssize_t put_some(int fd, const char *data, size_t size)
{
	ssize_t n = send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);

	/* A pipe takes this much at once when it can be written to. */
	if (n < 0 && errno == ENOTSOCK)
		n = write(fd, data, size < 4096 ? size : 4096);
	return n;
}

static int put(struct channel *c, const char *data, size_t size, struct err *e)
{
	while (size) {
		ssize_t n;

		if (await(c, c->out, POLLOUT, 0, e) < 0)
			return e->code;
		n = put_some(c->out, data, size);
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return gone(e);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return err_sys(e, "write to the other side");
		data += n > 0 ? n : 0;
		size -= n > 0 ? n : 0;
	}
	return 0;
}

int channel_send(struct channel *c, enum message_kind kind, const void *data, size_t size,
		 struct err *e)
{
	struct head h = { .kind = kind, .size = size, .sum = checksum(data, size) };

	memcpy(h.magic, MAGIC, sizeof(h.magic));
	h.head_sum = checksum(&h, offsetof(struct head, head_sum));
	return put(c, (const char *)&h, sizeof(h), e) < 0 ? e->code : put(c, data, size, e);
}

int channel_text(struct channel *c, enum message_kind kind, const char *text, struct err *e)
{
	return channel_send(c, kind, text, strlen(text), e);
}

/* --- in ------------------------------------------------------------------------------------------ */

/* Bytes that are to come. */
struct taking {
	void *data;
	size_t size, got; /* got: how many have */
	uint64_t until;	  /* 0: for ever */
};

static int take(struct channel *c, struct taking *t, struct err *e)
{
	while (t->got < t->size) {
		ssize_t n;

		if (await(c, c->in, POLLIN, t->until, e) < 0)
			return e->code;
		n = read(c->in, (char *)t->data + t->got, t->size - t->got);
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return gone(e);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return err_sys(e, "read from the other side");
		t->got += n > 0 ? n : 0;
	}
	return 0;
}

/* What somebody else has said there: a shell that cannot find us, a file of settings that talks. */
static int refuse_noise(struct channel *c, const char *data, size_t size, struct err *e)
{
	char text[SHOWN + 1] = "";
	struct err ignored = { 0 };
	size_t got = size < SHOWN ? size : SHOWN;
	struct taking more = { text + got, SHOWN - got, 0, io_now_us() + 500000 };

	memcpy(text, data, got);
	if (got == size && !memchr(text, '\n', got))
		(void)!take(c, &more, &ignored);
	text[strcspn(text, "\n")] = 0;
	for (char *p = text; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	err_code(e, EPROTO, "what comes from the other side is no message of stasis: '%s'", text);
	return err_hint(e, "nothing else may write there, such as a file of settings of the shell");
}

int channel_receive(struct channel *c, struct message *ret, unsigned seconds, struct err *e)
{
	uint64_t until = seconds ? io_now_us() + seconds * 1000000ULL : 0;
	struct head h = { .kind = 0 };
	own_mem char *data = NULL;
	struct err why = { 0 };
	struct taking head = { &h, sizeof(h), 0, until }, body;

	*ret = (struct message){ 0 };
	if (take(c, &head, &why) < 0 && !head.got) {
		*e = why;
		return e->code;
	}
	if (memcmp(h.magic, MAGIC, head.got < 4 ? head.got : 4) != 0)
		return refuse_noise(c, (char *)&h, head.got, e);
	if (why.code) {
		*e = why;
		return e->code;
	}
	if (checksum(&h, offsetof(struct head, head_sum)) != h.head_sum || h.size > MOST_BYTES)
		return err_code(e, EPROTO, "a message from the other side was damaged on its way");
	data = malloc(h.size + 1);
	if (!data)
		return err_sys(e, "memory for a message");
	body = (struct taking){ data, h.size, 0, until };
	if (take(c, &body, e) < 0)
		return e->code;
	if (checksum(data, h.size) != h.sum)
		return err_code(e, EPROTO, "a message from the other side was damaged on its way");
	data[h.size] = 0;
	*ret = (struct message){ h.kind, take_mem(data), h.size };
	return 0;
}

int channel_expect(struct channel *c, enum message_kind kind, struct message *ret, unsigned seconds,
		   struct err *e)
{
	struct message m;

	if (channel_receive(c, &m, seconds, e) < 0)
		return e->code;
	if (m.kind == kind) {
		*ret = m;
		return 0;
	}
	if (m.kind == MESSAGE_REFUSED)
		err_code(e, ECONNREFUSED, "the other side: %s", m.data);
	else
		err_code(e, EPROTO, "the other side sent message %d where %d belongs", m.kind,
			 kind);
	message_free(&m);
	return e->code;
}

int channel_greet(struct channel *c, struct err *e)
{
	own_message_in m = { 0 };
	struct err left = { 0 };
	char text[32];

	snprintf(text, sizeof(text), "%d", MIGRATE_VERSION);
	/* Whoever has left already may have said why. */
	if (channel_text(c, MESSAGE_HELLO, text, &left) < 0 && left.code != -ENOTCONN) {
		*e = left;
		return e->code;
	}
	if (channel_expect(c, MESSAGE_HELLO, &m, GREETING_SECONDS, e) < 0)
		return e->code;
	if (atoi(m.data) == MIGRATE_VERSION)
		return 0;
	err_code(e, EPROTO, "the other side speaks version %d of the protocol, this one %d",
		 atoi(m.data), MIGRATE_VERSION);
	return err_hint(e, "install the same version of stasis on both");
}
