/*
 * What the other victims have is more than CRIU can carry, in one corner or another. Here each kind is as plain as
 * programs have it; the program is started with the name of one.
 */
#ifndef STASIS_TEST_PLAIN_H
#define STASIS_TEST_PLAIN_H

#include <poll.h>

#include "test/lib/victim.h"

struct plain_kind {
	const char *name;
	void (*set)(void), (*check)(void);
};

static inline void reads(int from, const char *text)
{
	struct pollfd p = { .fd = from, .events = POLLIN };
	char buf[256];
	ssize_t n;

	SAME(poll(&p, 1, 10000), 1);
	n = SYS(read(from, buf, sizeof(buf)));
	CHECK(n == (ssize_t)strlen(text) && memcmp(buf, text, n) == 0, "'%.*s' where '%s' was",
	      (int)n, buf, text);
}

static inline void writes(int to, const char *text)
{
	SAME(write(to, text, strlen(text)), strlen(text));
}

static inline int plain_main(const struct plain_kind *kinds, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (!name || strcmp(kinds[i].name, name) != 0)
			continue;
		kinds[i].set();
		victim_ready();
		kinds[i].check();
		victim_ok();
	}
	return 2;
}

#endif
