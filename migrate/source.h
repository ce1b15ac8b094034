/* One migration, on the side that the tree leaves. */
#ifndef STASIS_MIGRATE_SOURCE_H
#define STASIS_MIGRATE_SOURCE_H

#include "lib/handover.h"
#include "lib/options.h"
#include "migrate/channel.h"
#include "migrate/files.h"
#include "migrate/progress.h"
#include "migrate/record.h"

struct source {
	const struct options *opt;
	struct transport transport;
	struct channel channel;
	struct record record;
	struct progress *progress;
	struct wanted_files files; /* as they were when they were compared */
	char id[RECORD_ID + 1];
	char address[128]; /* with its prefix; "": none moves */
	bool gathers;	   /* there were rounds */
};

/* What the dump calls (lib/handover.h); arg is the source. */
void source_handover(struct source *s, struct handover *ret);

#endif
