/* What the kernel says of mappings, as text to be compared before and after. */
#ifndef STASIS_TEST_SMAPS_H
#define STASIS_TEST_SMAPS_H

#include "test/lib/victim.h"

#define SMAPS_ROOM 8192

/*
 * For all mappings that touch [at, at + size): address, rights, offset and name, and the flags. Not device and inode,
 * which objects without a name get anew, and not the flag for soft-dirty pages.
 */
static inline void smaps_read(const void *at, size_t size, char text[SMAPS_ROOM])
{
	unsigned long from = (unsigned long)at, to = from + size, start, end, offset;
	FILE *f = fopen("/proc/self/smaps", "re");
	char line[4096], rights[8], *sd;
	bool inside = false;
	size_t used = 0;
	int name;

	CHECK(f, "%s", strerror(errno));
	*text = 0;
	while (fgets(line, sizeof(line), f)) {
		CHECK(used < SMAPS_ROOM - 512);
		if (sscanf(line, "%lx-%lx %7s %lx %*s %*s %n", &start, &end, rights, &offset,
			   &name) == 4) {
			inside = start < to && end > from;
			if (inside)
				used += snprintf(text + used, 400, "%lx-%lx %s %lx %s", start, end,
						 rights, offset, line + name);
		} else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
			while ((sd = strstr(line, " sd")))
				memmove(sd, sd + 3, strlen(sd + 3) + 1);
			used += snprintf(text + used, 400, "%s", line);
		}
	}
	fclose(f);
}

/* The number behind key ("Locked:", kB) of the mapping that holds at. */
static inline unsigned long smaps_number(const void *at, const char *key)
{
	unsigned long start, end, value = 0;
	FILE *f = fopen("/proc/self/smaps", "re");
	bool inside = false;
	char line[4096];

	CHECK(f, "%s", strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start <= (unsigned long)at && end > (unsigned long)at;
		else if (inside && strncmp(line, key, strlen(key)) == 0)
			value = strtoul(line + strlen(key), NULL, 10);
	}
	fclose(f);
	return value;
}

/* The word of /proc/self/pagemap for a page. */
static inline uint64_t pagemap_word(const void *at)
{
	FILE *f = fopen("/proc/self/pagemap", "re");
	uint64_t word = 0;

	CHECK(f, "%s", strerror(errno));
	CHECK(fseek(f, (long)((unsigned long)at / 4096 * 8), SEEK_SET) == 0);
	CHECK(fread(&word, 8, 1, f) == 1);
	fclose(f);
	return word;
}

static inline bool is_present(const void *at)
{
	return pagemap_word(at) >> 63;
}

/* The first line that differs is said. */
static inline void same_text(const char *is, const char *was)
{
	while (*is && *was) {
		size_t n = strcspn(is, "\n"), m = strcspn(was, "\n");

		CHECK(n == m && memcmp(is, was, n) == 0, "it is '%.*s', it was '%.*s'", (int)n, is,
		      (int)m, was);
		is += n + (is[n] != 0);
		was += m + (was[m] != 0);
	}
	CHECK(!*is && !*was, "there is '%s', there was '%s'", is, was);
}

/* Bytes that tell a page from others; 0 if all of them are as they were put. */
static inline void fill(void *at, size_t size, unsigned int seed)
{
	unsigned int *p = at;

	for (size_t i = 0; i < size / sizeof(*p); i++)
		p[i] = seed + (unsigned int)i * 2654435761u;
}

static inline bool filled(const void *at, size_t size, unsigned int seed)
{
	const unsigned int *p = at;

	for (size_t i = 0; i < size / sizeof(*p); i++)
		if (p[i] != seed + (unsigned int)i * 2654435761u)
			return false;
	return true;
}

static inline bool zeroed(const void *at, size_t size)
{
	const char *p = at;

	return *p == 0 && memcmp(p, p + 1, size - 1) == 0;
}

#endif
