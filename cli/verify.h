/* 'stasis verify': a folder of images, and those that it stands on, against their manifests. */
#ifndef STASIS_CLI_VERIFY_H
#define STASIS_CLI_VERIFY_H

#include <stdio.h>

#include "lib/err.h"

/* Reads all that the manifests list; one line on out when it is as it was written. */
must_check int verify_images(const char *path, FILE *out, struct err *e);
/* The same of a stream. */
must_check int verify_stream(int fd, FILE *out, struct err *e);

#endif
