/* Checksums of a file that is written in pieces, against those of all of it. */
#include "images/manifest_part.h"

#include <string.h>

#include "lib/checksum.h"
#include "test/lib/unit.h"

enum { CHUNKS = 40, SIZE = CHUNKS * MANIFEST_CHUNK, PAGES = SIZE / 4096 };

static unsigned char data[SIZE];
static uint64_t right[CHUNKS];

static void fill(void)
{
	srand(1);
	for (size_t i = 0; i < SIZE; i++)
		data[i] = rand();
	for (int n = 0; n < CHUNKS; n++)
		right[n] = checksum(data + n * MANIFEST_CHUNK, MANIFEST_CHUNK);
}

/* What is known has to be right; how many are not. */
static int unknown(const uint64_t *sums)
{
	int count = 0;

	for (int n = 0; n < CHUNKS; n++) {
		assert(!sums[n] || sums[n] == right[n]);
		count += !sums[n];
	}
	return count;
}

static void in_order(void)
{
	fill();
	for (size_t step = 1000; step < 3 * MANIFEST_CHUNK; step += 7777) {
		uint64_t sums[CHUNKS] = {};
		struct manifest_part m = {};

		for (size_t at = 0; at < SIZE; at += step)
			manifest_part_add(&m, sums, at, data + at,
					  at + step < SIZE ? step : SIZE - at);
		assert(unknown(sums) == 0);
		manifest_part_free(&m);
	}
}

/* From within a chunk on: that one has to be read, and the last one of which there is only a part. */
static void from_the_middle(void)
{
	uint64_t sums[CHUNKS] = {};
	struct manifest_part m = {};

	fill();
	for (size_t at = 4096; at < SIZE - 4096; at += 4096)
		manifest_part_add(&m, sums, at, data + at, 4096);
	assert(unknown(sums) == 2 && !sums[0] && !sums[CHUNKS - 1]);
	manifest_part_free(&m);
}

/* Two threads that take turns, and go to and fro; each page is written once. */
static void by_two(void)
{
	fill();
	for (int round = 0; round < 200; round++) {
		uint64_t sums[CHUNKS] = {};
		struct manifest_part two[2] = {};
		bool done[PAGES] = {};

		for (int k = 0; k < 3 * PAGES; k++) {
			int who = rand() % 2, page = rand() % PAGES, many = 1 + rand() % 20;

			for (; many && page < PAGES && !done[page]; many--, page++) {
				manifest_part_add(&two[who], sums, page * 4096UL,
						  data + page * 4096UL, 4096);
				done[page] = true;
			}
		}
		(void)unknown(sums);
		manifest_part_free(&two[0]);
		manifest_part_free(&two[1]);
	}
}

/* The same place of two files. */
static void two_files(void)
{
	uint64_t sums[CHUNKS] = {}, other[CHUNKS] = {};
	struct manifest_part m = {};

	fill();
	manifest_part_add(&m, sums, 0, data, 4096);
	manifest_part_add(&m, other, 4096, data + 4096, MANIFEST_CHUNK - 4096);
	assert(unknown(sums) == CHUNKS && unknown(other) == CHUNKS);
	manifest_part_add(&m, NULL, 0, data, SIZE);
	manifest_part_add(&m, other, MANIFEST_CHUNK, data + MANIFEST_CHUNK, MANIFEST_CHUNK);
	assert(other[1] == right[1] && unknown(other) == CHUNKS - 1);
	manifest_part_free(&m);
}

int main(void)
{
	return unit_run((struct unit[]){
		UNIT(in_order), UNIT(from_the_middle), UNIT(by_two), UNIT(two_files), {} });
}
