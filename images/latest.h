/*
 * A directory of continuous checkpoints ('stasis protect'): folders of images, and the link 'latest' to the newest that is
 * complete. Whoever reads images takes such a directory for the folder that the link leads to.
 */
#ifndef STASIS_IMAGES_LATEST_H
#define STASIS_IMAGES_LATEST_H

#include "lib/err.h"

#define LATEST_NAME "latest"

/* Replaces *dir_fd by that folder, if it is such a directory. */
must_check int latest_follow(int *dir_fd, struct err *e);

#endif
