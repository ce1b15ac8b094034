/* The build-id of an ELF file: a note by which its linker has named it. */
#ifndef STASIS_LIB_BUILDID_H
#define STASIS_LIB_BUILDID_H

#include <stddef.h>
#include <stdint.h>

enum { BUILDID_MAX = 64 };

/* Bytes of the build-id, written to id; 0 when the file is no ELF file of this machine's byte order, or has none. */
size_t buildid_read(int fd, uint8_t id[BUILDID_MAX]);

#endif
