/* Giving pages, asking for them, and what a restore passes: each side hears anything at all from the other. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "images/pages.h"
#include "lazy/give.h"
#include "lazy/remote.h"
#include "lazy/socket.h"
#include "lib/own.h"
#include "pages/wire.h"
#include "test/lib/unit.h"

enum { PAGE = 4096, ROUNDS = 2000, ROOM = 1 << 20 };

struct pair {
	int here, there;
};

static struct pair make_pair(void)
{
	int ends[2];

	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	assert(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUFFORCE, &(int){ ROOM }, sizeof(int)) == 0);
	return (struct pair){ ends[0], ends[1] };
}

/* Has the pages 0x10000 to 0x20000 of pid 12, all with the number of their address. */
static int read_some(struct lazy_source *s, const struct page_want *w, void *to,
		     uint64_t *ret_pages, struct err *e)
{
	(void)s;
	assert(w->pages && w->pages <= SOURCE_PAGES);
	if (w->pid != 12 || w->vaddr < 0x10000 || w->vaddr >= 0x20000)
		return -ENODATA;
	if (w->vaddr == 0x1f000)
		return err_say(e, "it is damaged");
	*ret_pages = w->pages < 3 ? w->pages : 3;
	for (uint64_t i = 0; i < *ret_pages; i++)
		memset((char *)to + i * PAGE, (int)(w->vaddr / PAGE + i), PAGE);
	return 0;
}

static struct lazy_source some = { .read = read_some };

static int give(const void *data, size_t size, char *said, size_t *ret_said, struct err *e)
{
	struct pair p = make_pair();
	struct page_link l = { .fd = -1 };
	struct giving g = { .source = &some };
	struct options opt;
	int r;

	options_init(&opt);
	opt.pages.socket = p.here;
	assert(send(p.there, data, size, MSG_DONTWAIT) == (ssize_t)size);
	shutdown(p.there, SHUT_WR);
	assert(link_accept(&l, -1, &opt, e) == 0);
	close(p.here);
	r = give_pages(&g, &l, e);
	link_close(&l);
	*ret_said = 0;
	for (ssize_t n; (n = recv(p.there, said + *ret_said, ROOM - *ret_said, MSG_DONTWAIT)) > 0;)
		*ret_said += (size_t)n;
	close(p.there);
	assert(r >= 0 ? !e->code : r == e->code && e->text[0]);
	return r;
}

static void gives(void)
{
	static char said[ROOM];
	struct page_request r[] = { { PS_GET, 0, 64, 0x11000, 12 },
				    { PS_GET, 0, 1, 0x30000, 12 },
				    { PS_CLOSE, 0, 0, 0, 0 } };
	struct page_request *a = (struct page_request *)said;
	struct err e = {};
	size_t size;

	assert(give(r, sizeof(r), said, &size, &e) == 1);
	assert(size == sizeof(*a) + 3 * PAGE + sizeof(*a) + sizeof(int32_t));
	assert(a->command == (PS_ADD_F | PE_PRESENT << 16) && a->nr_pages == 3 &&
	       a->vaddr == 0x11000 && a->map == 12);
	assert(said[sizeof(*a)] == 0x11 && said[sizeof(*a) + 2 * PAGE] == 0x13);
	a = (struct page_request *)(said + sizeof(*a) + 3 * PAGE);
	assert(a->nr_pages == 0 && a->vaddr == 0x30000);
	e = (struct err){};
	assert(give(r, sizeof(r[0]), said, &size, &e) == 0);
}

static void give_refuses(struct page_request r, const char *sentence)
{
	static char said[ROOM];
	struct err e = {};
	size_t size;

	assert(give(&r, sizeof(r), said, &size, &e) < 0);
	if (strcmp(e.text, sentence) != 0)
		fprintf(stderr, "# it says: %s\n", e.text);
	assert(strcmp(e.text, sentence) == 0);
}

static void refusals(void)
{
	give_refuses((struct page_request){ PS_GET, 0, 1, 0x10001, 12 },
		     "it asks for 1 pages at 10001 of pid 12, which cannot be");
	give_refuses((struct page_request){ PS_GET, 0, 0, 0x10000, 12 },
		     "it asks for 0 pages at 10000 of pid 12, which cannot be");
	give_refuses((struct page_request){ PS_GET, 0, UINT64_MAX, 0x10000, 12 },
		     "it asks for 18446744073709551615 pages at 10000 of pid 12, which cannot be");
	give_refuses((struct page_request){ PS_GET, 0, 1, 0x10000, UINT64_MAX },
		     "it asks for 1 pages at 10000 of pid 18446744073709551615, which cannot be");
	give_refuses((struct page_request){ PS_GET, 0, 1, 0x1f000, 12 },
		     "the pages at 1f000 of pid 12: it is damaged");
	give_refuses((struct page_request){ PS_OPEN2, 0, 0, 0, 12 << 8 | 1 },
		     "it wants to store pages, and here are pages to be taken");
	give_refuses((struct page_request){ 0x7fff, 0, 0, 0, 0 }, "there is no command 0x7fff");
}

static void gives_to_anybody(void)
{
	static char said[ROOM];

	srand(3);
	for (int i = 0; i < ROUNDS; i++) {
		struct page_request r[4];
		struct err e = {};
		size_t size;

		for (size_t n = 0; n < 4; n++)
			r[n] = (struct page_request){ PS_GET, 0, (uint64_t)rand() % 70,
						      0x10000 + (uint64_t)rand() % 16 * PAGE, 12 };
		for (int n = rand() % 4; n > 0; n--)
			((char *)r)[(size_t)rand() % sizeof(r)] = (char)rand();
		(void)!give(r, (size_t)rand() % sizeof(r), said, &size, &e);
	}
}

/* Asks for pages, and hears this. */
static int ask(const void *data, size_t size, struct err *e)
{
	static char to[SOURCE_PAGES * PAGE + PAGE];
	struct pair p = make_pair();
	struct page_want w = { 12, 0x10000, SOURCE_PAGES };
	struct lazy_source *s;
	struct options opt;
	uint64_t pages;
	int r;

	options_init(&opt);
	opt.pages.socket = p.here;
	assert(source_remote_begin(&s, &opt, e) == 0);
	close(p.here);
	assert(send(p.there, data, size, MSG_DONTWAIT) == (ssize_t)size);
	shutdown(p.there, SHUT_WR);
	memset(to + SOURCE_PAGES * PAGE, 7, PAGE);
	r = s->read(s, &w, to, &pages, e);
	assert(r == 0 ? pages && pages <= SOURCE_PAGES :
			r == -ENODATA || (r == -EAGAIN && e->text[0]));
	for (int i = 0; i < PAGE; i++)
		assert(to[SOURCE_PAGES * PAGE + i] == 7);
	if (r == -EAGAIN) {
		*e = (struct err){};
		assert(s->read(s, &w, to, &pages, e) == -EAGAIN);
		assert(!strcmp(
			e->text,
			"the page server: the socket of --ps-socket is lost, and there is no other way"));
	}
	s->close(s);
	close(p.there);
	return r;
}

static void asks_anybody(void)
{
	static char data[32 + (SOURCE_PAGES + 1) * PAGE];
	struct page_request *a = (struct page_request *)data;
	int had = 0, lost = 0;

	srand(5);
	for (int i = 0; i < ROUNDS; i++) {
		struct err e = {};
		int r;

		*a = (struct page_request){ PS_ADD_F | PE_PRESENT << 16, 0,
					    (uint64_t)rand() % (SOURCE_PAGES + 2), 0x10000, 12 };
		for (int n = rand() % 3; n > 0; n--)
			data[rand() % 32] = (char)rand();
		r = ask(data, rand() % 4 ? sizeof(data) : (size_t)rand() % 9000, &e);
		had += r == 0;
		lost += r == -EAGAIN;
	}
	assert(had > ROUNDS / 10 && lost > ROUNDS / 10);
}

static void send_fds(int sock, int32_t pid, const int *fds, size_t count)
{
	char space[CMSG_SPACE(8 * sizeof(int))] = {};
	struct iovec byte = { "", 1 };
	struct msghdr m = { .msg_iov = &byte,
			    .msg_iovlen = 1,
			    .msg_control = space,
			    .msg_controllen = CMSG_SPACE(count * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	assert(send(sock, &pid, sizeof(pid), 0) == sizeof(pid));
	*c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
			       .cmsg_type = SCM_RIGHTS,
			       .cmsg_len = CMSG_LEN(count * sizeof(int)) };
	memcpy(CMSG_DATA(c), fds, count * sizeof(int));
	assert(sendmsg(sock, &m, 0) == 1);
}

static void hears(const char *sentence, int sock)
{
	struct err e = {};
	int pid, uffd;

	assert(lazy_socket_receive(sock, &pid, &uffd, &e) < 0);
	if (strcmp(e.text, sentence) != 0)
		fprintf(stderr, "# it says: %s\n", e.text);
	assert(!strcmp(e.text, sentence) && uffd == -1);
}

static void takes_no_other_descriptor(void)
{
	struct pair p = make_pair();
	int fds[] = { 0, 1, 2, 2 }, before = dup(0), after;
	int32_t zero = 0, least = INT32_MIN, seven = 7;

	close(before);
	send_fds(p.there, 7, fds, 4);
	hears("what came for pid 7 is no userfaultfd", p.here);
	send_fds(p.there, 7, fds, 1);
	hears("what came for pid 7 is no userfaultfd", p.here);
	assert(send(p.there, &zero, 4, 0) == 4);
	hears("0 is no pid", p.here);
	assert(send(p.there, &least, 4, 0) == 4);
	hears("-2147483648 is no pid", p.here);
	assert(send(p.there, &seven, 4, 0) == 4 && send(p.there, "x", 1, 0) == 1);
	hears("no userfaultfd came for pid 7", p.here);
	assert(send(p.there, &seven, 3, 0) == 3);
	shutdown(p.there, SHUT_WR);
	hears("the restore has ended before all tasks were told", p.here);
	after = dup(0);
	/* None was kept. */
	assert(before == after);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	return unit_run((struct unit[]){ UNIT(gives),
					 UNIT(refusals),
					 UNIT(gives_to_anybody),
					 UNIT(asks_anybody),
					 UNIT(takes_no_other_descriptor),
					 {} });
}
