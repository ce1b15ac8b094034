/* What memory of the benchmark holds: the same in the program that is saved and in the floor. */
#ifndef STASIS_BENCH_CONTENTS_H
#define STASIS_BENCH_CONTENTS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t contents_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static inline void contents_fill_random(char *at, size_t size, uint64_t *state)
{
	for (size_t i = 0; i < size; i += sizeof(uint64_t))
		*(uint64_t *)(at + i) = contents_random(state);
}

/* Made-up words, short ones more often than long ones, some much more often than others. */
static inline void contents_fill_text(char *at, size_t size, uint64_t *state)
{
	static const char letters[] = "etaoinshrdlucmfwypvbgkjqxz";
	static char words[4096][16];
	static unsigned char lengths[4096];
	size_t done = 0;

	for (int w = 0; w < 4096 && !lengths[w]; w++) {
		int length = 2 + contents_random(state) % 9;

		for (int i = 0; i < length; i++)
			words[w][i] = letters[contents_random(state) % 26 *
					      (contents_random(state) % 26) / 26];
		words[w][length] = ' ';
		lengths[w] = length + 1;
	}
	while (done < size) {
		uint64_t r = contents_random(state);
		size_t w = (r & 4095) * (r >> 12 & 4095) / 4096 * (r >> 24 & 4095) / 4096;
		size_t n = lengths[w] < size - done ? lengths[w] : size - done;

		memcpy(at + done, words[w], n);
		done += n;
	}
}

/* false: there is no such sort. Zeros are written too, so that every page is there. */
static inline bool contents_fill(char *at, size_t size, const char *sort)
{
	uint64_t state = 88172645463325252ULL;

	if (strcmp(sort, "zeros") == 0)
		memset(at, 0, size);
	else if (strcmp(sort, "text") == 0)
		contents_fill_text(at, size, &state);
	else if (strcmp(sort, "random") == 0)
		contents_fill_random(at, size, &state);
	else
		return false;
	return true;
}

#endif
