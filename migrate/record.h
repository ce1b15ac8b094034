/*
 * What each side knows of a migration, on disk: who may run the tree. A little file on either side, written before what it
 * says is told to anybody.
 *
 *	here (source)            there (target)
 *	offered                  offered
 *	                         ready      all is restored and stands still
 *	given                               from here on it does not run here, unless the target says it has not got it
 *	                         claimed    the word has come
 *	                         owned      it runs there
 *	done
 *	        aborted (either): it does not run there, and never will
 *
 * The target decides: it goes from 'ready' to 'claimed' when the word comes, or to 'aborted' when it does not, whichever
 * is first; somebody who asks makes it 'aborted', too. Changes are made under a lock, so there is one answer.
 */
#ifndef STASIS_MIGRATE_RECORD_H
#define STASIS_MIGRATE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

enum record_side { SIDE_SOURCE, SIDE_TARGET };

enum record_state {
	STATE_OFFERED = 1,
	STATE_READY,
	STATE_GIVEN,
	STATE_CLAIMED,
	STATE_OWNED,
	STATE_DONE,
	STATE_ABORTED,
};

enum { RECORD_ID = 16 };

struct record {
	int fd; /* -1: none */
	enum record_side side;
	char id[RECORD_ID + 1];
	enum record_state state;
	uint64_t sequence, body_size, body_sum;
	char *body; /* lines "KEY VALUE"; NULL: none */
};

void record_close(struct record *r);
#define own_record __attribute__((cleanup(record_close))) struct record

/* A new name for a migration. */
must_check int record_name(char ret[RECORD_ID + 1], struct err *e);
bool record_is_name(const char *id);
/* Creates it, durably, in STATE_OFFERED; it counts as alive as long as we, or our children, have it open. */
must_check int record_create(struct record *ret, enum record_side side, const char *id,
			     struct err *e);
/* -ENOENT: there is none. */
must_check int record_open(struct record *ret, enum record_side side, const char *id,
			   struct err *e);
/* Somebody still works at it. */
bool record_is_alive(const struct record *r);
/*
 * From one of some states (1 << STATE_...) to another, durably; -EBUSY, and the state as it is now in r, if it was in none of them. body:
 * what stands in it from then on; NULL: what it is.
 */
must_check int record_change(struct record *r, unsigned from, enum record_state to,
			     const char *body, struct err *e);
/* Nothing came of it, and nobody will ask. */
void record_remove(struct record *r);
const char *record_word(enum record_state state);
const char *record_side_word(enum record_side side);
/* The value behind the first line of this key, up to its end; NULL: there is none. Into buf. */
const char *record_value(const struct record *r, const char *key, char *buf, size_t size);

/* Those that were settled a month ago, or never came to anything, are of no use to anybody. */
void record_forget_old(void);
/* All there are, for each of them. */
must_check int record_list(void (*found)(enum record_side side, const char *id, void *arg),
			   void *arg, struct err *e);

#endif
