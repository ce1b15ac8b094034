/* Who is born of whom, in which session, and making it so. */
#ifndef STASIS_RESTORE_BIRTHS_H
#define STASIS_RESTORE_BIRTHS_H

#include "restore/restore.h"

/* Decides creators and helpers; refuses what cannot be rebuilt. */
must_check int births_decide(struct restore *r, struct err *e);
/* Who takes over memory from its parent, when creators are known. */
void births_choose_heirs(struct restore *r);
/* All tasks are born, in their sessions and process groups; those whose children inherit it have their memory. */
/* Makes the first process alone, where something needs it to be there; births_make() makes the others. */
must_check int births_first(struct restore *r, struct err *e);
must_check int births_make(struct restore *r, struct err *e);
/* Zombies and helpers die. */
must_check int births_deaths(struct restore *r, struct err *e);

#endif
