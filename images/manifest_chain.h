/* A folder of images with its manifest, and those that it stands on: 'parent', the parent's 'parent', and so on. */
#ifndef STASIS_IMAGES_MANIFEST_CHAIN_H
#define STASIS_IMAGES_MANIFEST_CHAIN_H

#include <sys/stat.h>

#include "images/manifest.h"

struct chain_folder {
	int fd;
	struct stat st;
	char words[256]; /* "parent/parent", nothing for the first */
	bool has_manifest;
	struct manifest manifest;
};

/* The newest first. */
struct manifest_chain {
	struct chain_folder *folders;
	size_t count;
};

void manifest_chain_free(struct manifest_chain *c);
#define own_manifest_chain __attribute__((cleanup(manifest_chain_free))) struct manifest_chain

/* The folder alone; dir_fd stays the caller's. */
must_check int manifest_chain_open(struct manifest_chain *ret, int dir_fd, struct err *e);
/*
 * Its ancestors: as far as there are any, they have to be there, lead nowhere back, and be the ones that they were when
 * the dump was made. On failure those before stay.
 */
must_check int manifest_chain_extend(struct manifest_chain *c, struct err *e);
/* Puts in front in which folder of the chain it was; the code of the error. */
int manifest_chain_on(const struct chain_folder *f, struct err *e);

#endif
