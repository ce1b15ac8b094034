/*
 * A test program that knows what it had: it sets itself up, says so and waits; meanwhile the test
 * saves and restores it; then it checks itself from inside. test/lib.bash is the other side.
 *
 * A round is one victim_ready(). Waiting looks for a file every few milliseconds, so it holds no
 * descriptor and has no state that a restore could get wrong. Descriptors above 2 are closed before
 * main, and the paths are read then, so a program may do what it likes with its environment.
 */
#ifndef STASIS_TEST_VICTIM_H
#define STASIS_TEST_VICTIM_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* The main thread: everything is set up. Returns when the test says go. */
void victim_ready(void);
/* All checks passed; ends the process. */
_Noreturn void victim_ok(void);
/* This kernel or machine lacks what the test needs: a skip with its reason. */
_Noreturn void victim_skip(const char *reason);
_Noreturn void victim_fail(const char *file, int line, const char *what, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* As fork and pthread_create, but they return only when the new one has called victim_set(). */
pid_t victim_fork(void);
pid_t victim_thread(void *(*fn)(void *), void *arg); /* returns the tid */
/* In a child or thread: I am set up. */
void victim_set(void);
/* In a child or thread: until the test says go. */
void victim_wait(void);
/* A child must have ended with status 0. */
void victim_reap(pid_t pid);
/* Every thread of victim_thread() must have returned. */
void victim_join(void);

/* Three threads set something, each with its number; what get() then says must stay so. Ends the process. */
_Noreturn void victim_keeps(void (*set)(int number), uint64_t (*get)(void));

/* Until the thread is inside this system call (nr < 0: any) and sleeps there. */
void victim_blocked(pid_t tid, long nr);
void victim_sleep_ms(long ms);
int64_t victim_now_ns(void);
/* A number from a file of /proc, from the line that begins with key, in the base that it is written in. */
uint64_t victim_proc(const char *path, const char *key, int base);
/* The same from a file of this thread's own directory in /proc. */
uint64_t victim_own(const char *file, const char *key, int base);
/* Memory shared with children, zeroed. */
void *victim_shared(size_t size);

#define CHECK(cond, ...) \
	((cond) ? (void)0 : victim_fail(__FILE__, __LINE__, #cond, " " __VA_ARGS__))
#define SAME(is, was)                                                                           \
	({                                                                                      \
		long long is_ = (long long)(is), was_ = (long long)(was);                       \
		CHECK(is_ == was_, "it is %lld (0x%llx), it was %lld (0x%llx)", is_, is_, was_, \
		      was_);                                                                    \
	})
/* A call that must work; its result. */
#define SYS(call)                                                                       \
	({                                                                              \
		__typeof__(call) sys_ = (call);                                         \
		if ((intptr_t)sys_ == -1)                                               \
			victim_fail(__FILE__, __LINE__, #call, " %s", strerror(errno)); \
		sys_;                                                                   \
	})

#endif
