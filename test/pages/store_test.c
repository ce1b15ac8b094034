/* What comes to a page server, from whomever: good sessions, one refusal for each that is not, and any bytes at all. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "images/pages.h"
#include "lib/own.h"
#include "pages/store.h"
#include "pages/wire.h"
#include "test/lib/folder.h"
#include "test/lib/unit.h"

enum { ROOM = 128 << 10, ROUNDS = 400, PAGE = 4096 };

static char sent[ROOM];
static size_t count;

static void put(const void *data, size_t size)
{
	assert(count + size <= sizeof(sent));
	memcpy(sent + count, data, size);
	count += size;
}

static void say(unsigned command, unsigned flags, uint64_t nr_pages, uint64_t vaddr, uint64_t map)
{
	struct page_request r = { command | flags << 16, 0, nr_pages, vaddr, map };

	put(&r, sizeof(r));
}

static void say_pages(unsigned nr_pages, char c)
{
	char page[PAGE];

	memset(page, c, sizeof(page));
	while (nr_pages--)
		put(page, sizeof(page));
}

static int serve(const char *dir, struct err *e)
{
	struct options opt;
	struct page_link l = { .fd = -1 };
	int ends[2], r;

	options_init(&opt);
	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	own_fd theirs = ends[0];
	own_fd folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(folder >= 0 && setsockopt(theirs, SOL_SOCKET, SO_SNDBUFFORCE, &(int){ ROOM * 2 },
					 sizeof(int)) == 0);
	assert(send(theirs, sent, count, MSG_DONTWAIT) == (ssize_t)count || !count);
	shutdown(theirs, SHUT_WR);
	opt.pages.socket = ends[1];
	assert(link_accept(&l, -1, &opt, e) == 0);
	close(ends[1]);
	r = page_store_run(folder, &l, e);
	link_drop(&l);
	count = 0;
	/* Whatever is refused is refused in words. */
	assert(r == 0 ? !e->code : r == e->code && e->text[0]);
	return r;
}

/* Nothing is there but what page servers write. */
static void only_pages(const char *dir)
{
	own_dir d = opendir(dir);
	struct dirent *entry;

	assert(d);
	while ((entry = readdir(d))) {
		enum image_kind kind;
		uint64_t id;

		if (entry->d_name[0] == '.')
			continue;
		assert(image_name_parse(entry->d_name, &kind, &id));
		assert(kind == IMG_PAGEMAP || kind == IMG_PAGEMAP_SHMEM || kind == IMG_PAGES);
	}
}

static void good(void)
{
	own_folder folder = folder_make();
	own_stored_pages p = {};
	struct err e = {};
	char page[PAGE];

	say(PS_OPEN2, 0, 0, 0, request_map(IMG_PAGEMAP, 12));
	say(PS_ADD_F, PE_PRESENT | PE_LAZY, 2, 0x10000, 0);
	say_pages(2, 'a');
	say(PS_ADD_F, PE_LAZY, 7, 0x20000, request_map(IMG_PAGEMAP, 12));
	say(PS_ADD, 0, 1, 0x30000, 0);
	say_pages(1, 'b');
	say(PS_OPEN, 0, 0, 0, 77UL << 8 | 28);
	say(PS_CLOSE, 0, 0, 0, 0);
	assert(serve(folder.path, &e) == 0);
	own_fd fd = open(folder.path, O_RDONLY | O_DIRECTORY);
	assert(stored_pages_load(&p, fd, IMG_PAGEMAP, 12, &e) == 0);
	assert(p.count == 3 && p.pages_id == 65537 && stored_pages_count(&p) == 10);
	assert(p.runs[1].flags == PE_LAZY && p.runs[2].flags == PE_PRESENT);
	assert(stored_run_read(&p.runs[2], page, PAGE, p.runs[2].offset, &e) == 0 &&
	       page[9] == 'b');
	stored_pages_free(&p);
	assert(stored_pages_load(&p, fd, IMG_PAGEMAP_SHMEM, 77, &e) == 0 && p.count == 0);
	only_pages(folder.path);
}

static void of_a_parent(void)
{
	own_folder folder = folder_make();
	struct err e = {};
	char path[300];

	snprintf(path, sizeof(path), "%s/parent", folder.path);
	assert(mkdir(path, 0700) == 0);
	say(PS_OPEN, 0, 0, 0, request_map(IMG_PAGEMAP, 12));
	say(PS_HOLE, 0, 1, 0x10000, 0);
	assert(serve(folder.path, &e) == -EINVAL);
	assert(!strcmp(
		e.text,
		"the entry of 1 pages at 10000 (flags 1) is of a folder before, which has no such "
		"page map"));
	e = (struct err){};
	snprintf(path, sizeof(path), "%s/parent/pagemap-12.img", folder.path);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	say(PS_OPEN, 0, 0, 0, request_map(IMG_PAGEMAP, 12));
	say(PS_HOLE, 0, 1, 0x10000, 0);
	say(PS_CLOSE, 0, 0, 0, 0);
	assert(serve(folder.path, &e) == 0);
	unlink(path);
	snprintf(path, sizeof(path), "%s/parent", folder.path);
	rmdir(path);
}

static void refuses(const char *sentence)
{
	own_folder folder = folder_make();
	struct err e = {};

	assert(serve(folder.path, &e) < 0);
	if (strcmp(e.text, sentence) != 0)
		fprintf(stderr, "# it says: %s\n", e.text);
	assert(strcmp(e.text, sentence) == 0);
	only_pages(folder.path);
}

#define MAP request_map(IMG_PAGEMAP, 12)

static void entry_is_refused(unsigned flags, uint64_t nr_pages, uint64_t vaddr,
			     const char *sentence)
{
	say(PS_OPEN, 0, 0, 0, MAP);
	say(PS_ADD_F, PE_LAZY, 4, 0x10000, MAP);
	say(PS_ADD_F, flags, nr_pages, vaddr, MAP);
	refuses(sentence);
}

static void bad(void)
{
	refuses("the socket of --ps-socket has ended before it said that all was sent");
	put("GET / HTTP/1.1\r\n", 16);
	refuses("the socket of --ps-socket has ended after 16 of 32 bytes");
	put("GET / HTTP/1.1\r\nHost: somewhere.else\r\n", 38);
	refuses("there is no command 0x20544547");
	say(PS_GET, 0, 1, 0x1000, 12);
	refuses("it asks for pages, and this page server takes them");
	say(PS_OPEN, 0, 0, 0, 5);
	refuses("there is no page map of the type 5");
	say(PS_OPEN, 0, 0, 0, request_map(IMG_PAGEMAP, 0));
	refuses("0 is no pid");
	say(PS_OPEN, 0, 0, 0, MAP);
	say(PS_OPEN, 0, 0, 0, MAP);
	refuses("the page map 12 comes twice");
	say(PS_ADD_F, PE_PRESENT, 1, 0x1000, MAP);
	refuses("the entry of 1 pages at 1000 (flags 4) belongs to no page map");
	say(PS_OPEN, 0, 0, 0, MAP);
	say(PS_ADD_F, PE_PRESENT, 3, 0x1000, MAP);
	say_pages(2, 'x');
	refuses("the socket of --ps-socket has ended after 8192 of 12288 bytes");
}

static void bad_entries(void)
{
	entry_is_refused(
		PE_LAZY, 1, 0x20001,
		"the entry of 1 pages at 20001 (flags 2) does not begin on a page boundary");
	entry_is_refused(
		PE_LAZY, 1, 0x13000,
		"the entry of 1 pages at 13000 (flags 2) overlaps the one before or is out of order");
	entry_is_refused(
		PE_PRESENT, 1UL << 52, 0x20000,
		"the entry of 4503599627370496 pages at 20000 (flags 4) goes beyond any address");
	entry_is_refused(
		PE_PRESENT, UINT64_MAX, 0x20000,
		"the entry of 18446744073709551615 pages at 20000 (flags 4) goes beyond any address");
	entry_is_refused(
		PE_PRESENT, 1, UINT64_MAX & -PAGE,
		"the entry of 1 pages at fffffffffffff000 (flags 4) goes beyond any address");
	entry_is_refused(PE_PRESENT, 0, 0x20000,
			 "the entry of 0 pages at 20000 (flags 4) goes beyond any address");
	entry_is_refused(0, 1, 0x20000,
			 "the entry of 1 pages at 20000 (flags 0) has flags that make no sense");
	entry_is_refused(PE_PARENT | PE_PRESENT, 1, 0x20000,
			 "the entry of 1 pages at 20000 (flags 5) has flags that make no sense");
	entry_is_refused(64, 1, 0x20000,
			 "the entry of 1 pages at 20000 (flags 64) has flags that make no sense");
	say(PS_OPEN, 0, 0, 0, MAP);
	say(PS_ADD_F, PE_LAZY, 1, 0x1000, request_map(IMG_PAGEMAP, 13));
	refuses("the entry of 1 pages at 1000 (flags 2) is of another page map than the one that is open");
}

/* A session of some messages that make sense, of which some bytes are changed, taken out or added. */
static void make_session(void)
{
	uint64_t at = 0x10000;

	for (int i = rand() % 4 + 1; i > 0; i--) {
		say(rand() % 2 ? PS_OPEN2 : PS_OPEN, 0, 0, 0,
		    request_map(IMG_PAGEMAP + rand() % 2 * (IMG_PAGEMAP_SHMEM - IMG_PAGEMAP),
				rand() % 5));
		for (int n = rand() % 4; n > 0; n--) {
			unsigned pages = rand() % 3 + 1, flags = rand() % 2 ? PE_PRESENT : PE_LAZY;

			say(PS_ADD_F, flags, pages, at, 0);
			if (flags == PE_PRESENT)
				say_pages(pages, rand());
			at += (pages + rand() % 3) * PAGE;
		}
		if (rand() % 4 == 0)
			say(PS_PARENT, 0, 0, 0, MAP);
	}
	say(rand() % 8 ? PS_CLOSE : PS_FORCE_CLOSE, 0, 0, 0, 0);
}

static void any_bytes(void)
{
	own_folder folder = folder_make();
	int served = 0;

	srand(7);
	for (int i = 0; i < ROUNDS; i++) {
		struct err e = {};

		make_session();
		for (int n = rand() % 6; n > 0; n--)
			sent[rand() % 3 ? (size_t)rand() % count : (size_t)rand() % 64 % count] =
				(char)rand();
		if (rand() % 8 == 0)
			count = (size_t)rand() % count;
		served += serve(folder.path, &e) == 0;
	}
	/* Some are whole, so what is refused is not all. */
	assert(served > ROUNDS / 20 && served < ROUNDS);
	only_pages(folder.path);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	return unit_run((struct unit[]){
		UNIT(good), UNIT(of_a_parent), UNIT(bad), UNIT(bad_entries), UNIT(any_bytes), {} });
}
