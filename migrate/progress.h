/*
 * How far a migration has come: numbers in memory that all processes of this side share, and lines about them: for people on
 * standard error, for programs as JSON on standard output.
 */
#ifndef STASIS_MIGRATE_PROGRESS_H
#define STASIS_MIGRATE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/err.h"

enum phase { PHASE_CHECKS, PHASE_ROUNDS, PHASE_FROZEN, PHASE_HANDOVER, PHASE_DONE };

struct progress {
	enum phase phase;
	bool json;
	uint64_t begun_at, frozen_at, ended_at; /* io_now_us() */
	unsigned round, rounds;
	uint64_t sent;		      /* bytes on the way, in all */
	uint64_t round_from;	      /* sent, when the round began */
	uint64_t expected;	      /* bytes of the round, as far as is known */
	uint64_t memory;	      /* of the tree */
	uint64_t written, written_us; /* during the round before */
	pid_t teller;
};

/* Shared with our children. NULL: no memory. */
struct progress *progress_new(bool json);
/* A process that says every second how far it is. */
void progress_tell(struct progress *p);
void progress_hush(struct progress *p);
void progress_free(struct progress *p);

/* --json: {"event": name, ...}; more: further members, "" for none. */
void progress_event(const struct progress *p, const char *name, const char *more);
/* The same with a text. */
void progress_event_text(const struct progress *p, const char *name, const char *key,
			 const char *text);
void progress_summary(const struct progress *p, const char *host);

#endif
