/*
 * What /proc tells about a process, as one text: taken before and after, two must be equal. Only what changes by
 * itself (times, counters of switches, resident memory) is left out.
 */
#ifndef STASIS_TEST_SNAPSHOT_H
#define STASIS_TEST_SNAPSHOT_H

#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const snapshot_status[] = {
	"Umask:",  "Uid:",    "Gid:",	 "FDSize:", "Threads:", "SigPnd:", "ShdPnd:",
	"SigBlk:", "SigIgn:", "SigCgt:", "CapInh:", "CapPrm:",	"CapEff:", "CapBnd:",
	"CapAmb:", "NoNew",   "Seccomp", "VmLck:",  "VmPin:",	NULL,
};
static const char *const snapshot_smaps[] = { "VmFlags:", "Locked:", NULL };

static inline void snapshot_file(FILE *out, const char *path, const char *const *lines)
{
	FILE *in = fopen(path, "re");
	char line[4096];

	fprintf(out, "-- %s\n", path);
	while (in && fgets(line, sizeof(line), in)) {
		int i = 0;

		while (lines && lines[i] && strncmp(line, lines[i], strlen(lines[i])) != 0)
			i++;
		if (!lines || lines[i])
			fputs(line, out);
	}
	if (in)
		fclose(in);
}

static inline int snapshot_visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static inline void snapshot_fds(FILE *out, int pid)
{
	char path[64], link[4096];
	struct dirent **name;
	int count;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	count = scandir(path, &name, snapshot_visible, versionsort);
	for (int i = 0; i < count; i++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%d/fd/%.20s", pid, name[i]->d_name);
		n = readlink(path, link, sizeof(link));
		fprintf(out, "fd %s: %.*s\n", name[i]->d_name, n < 0 ? 0 : (int)n, link);
		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%.20s", pid, name[i]->d_name);
		snapshot_file(out, path, NULL);
		free(name[i]);
	}
	if (count >= 0)
		free(name);
}

static inline void snapshot_tasks(FILE *out, int pid)
{
	char path[64];
	struct dirent **name;
	int count;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	count = scandir(path, &name, snapshot_visible, versionsort);
	assert(count > 0);
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/status", pid, name[i]->d_name);
		snapshot_file(out, path, snapshot_status);
		free(name[i]);
	}
	free(name);
}

/* The caller frees it. */
static inline char *snapshot_take(int pid)
{
	static const char *const whole[] = { "maps", "limits", "timers", "comm", "personality" };
	char path[64], *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert(out);
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, whole[i]);
		snapshot_file(out, path, NULL);
	}
	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	snapshot_file(out, path, snapshot_smaps);
	snapshot_tasks(out, pid);
	snapshot_fds(out, pid);
	fclose(out);
	return text;
}

/* Ends the test, with the first line that differs, if the two are not the same. */
static inline void snapshot_same(const char *was, const char *is)
{
	size_t i = 0;

	if (strcmp(was, is) == 0)
		return;
	while (was[i] && was[i] == is[i])
		i++;
	while (i > 0 && was[i - 1] != '\n')
		i--;
	fprintf(stderr, "was: %.*s\nis:  %.*s\n", (int)strcspn(was + i, "\n"), was + i,
		(int)strcspn(is + i, "\n"), is + i);
	assert(!"a trace is left");
}

#endif
