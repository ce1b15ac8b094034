/* What an error says, whole; and that there is none. */
#ifndef STASIS_TEST_SAID_H
#define STASIS_TEST_SAID_H

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"

/* A call that must work; its last argument is 'e'. */
#define MUST(call)                                                                              \
	({                                                                                      \
		struct err must_err = { 0 }, *e = &must_err;                                    \
		if ((call) < 0) {                                                               \
			fprintf(stderr, "%s:%d: %s: %s\n", __func__, __LINE__, #call, e->text); \
			abort();                                                                \
		}                                                                               \
	})

static inline void must_say(const struct err *e, const char *sentence)
{
	char text[2048];

	err_text(e, text, sizeof(text));
	if (strcmp(text, sentence) != 0)
		fprintf(stderr, "said:   %s\nwanted: %s\n", text, sentence);
	assert(strcmp(text, sentence) == 0);
}

#endif
