/* 'stasis convert': the same images with their pages compressed, or not. */
#ifndef STASIS_CLI_CONVERT_H
#define STASIS_CLI_CONVERT_H

#include "lib/compression.h"
#include "lib/err.h"

/* From one folder into another, which is made if it is not there; to: NULL for the same folder. */
must_check int convert_images(const char *from, const char *to, struct compression how,
			      struct err *e);

#endif
