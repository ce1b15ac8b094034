/*
 * A unit test: functions that assert, run one after the other, a line of TAP for each.
 *
 *	static void maps_are_sorted(void) { ... assert(...); }
 *	int main(void) { return unit_run((struct unit[]){ UNIT(maps_are_sorted), {} }); }
 *
 * Each runs in a process of its own, so one that dies or changes its process harms no other.
 */
#ifndef STASIS_TEST_UNIT_H
#define STASIS_TEST_UNIT_H

#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct unit {
	const char *name;
	void (*run)(void);
};

#define UNIT(fn) ((struct unit){ #fn, fn })

/* This kernel lacks what the test needs. */
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static inline _Noreturn void unit_skip(const char *reason)
{
	fprintf(stderr, "# skip: %s\n", reason);
	_exit(77);
}

static inline int unit_run(const struct unit *units)
{
	int failed = 0;

	for (int i = 0; units[i].run; i++) {
		int status = 0;
		pid_t pid;

		fflush(NULL);
		pid = fork();
		assert(pid >= 0);
		if (pid == 0) {
			units[i].run();
			fflush(NULL);
			_exit(0);
		}
		assert(waitpid(pid, &status, 0) == pid);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
			printf("ok %d %s # skip\n", i + 1, units[i].name);
			continue;
		}
		printf("%s %d %s\n", status ? "not ok" : "ok", i + 1, units[i].name);
		failed += status != 0;
	}
	return failed != 0;
}

#endif
