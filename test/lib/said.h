/* What an error says, whole. */
#ifndef STASIS_TEST_SAID_H
#define STASIS_TEST_SAID_H

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "lib/err.h"

static inline void must_say(const struct err *e, const char *sentence)
{
	char text[2048];

	err_text(e, text, sizeof(text));
	if (strcmp(text, sentence) != 0)
		fprintf(stderr, "said:   %s\nwanted: %s\n", text, sentence);
	assert(strcmp(text, sentence) == 0);
}

#endif
