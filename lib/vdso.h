/*
 * The vDSO: code that the kernel maps into every process, an ELF image in memory. Functions are found by name; the
 * marker says that a process has another one than the kernel gave it.
 */
#ifndef STASIS_LIB_VDSO_H
#define STASIS_LIB_VDSO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Offset of a function in an image of that many bytes, which is not trusted. False: there is none of this name. */
bool vdso_find(const void *image, size_t size, const char *name, uint64_t *ret_offset);

/*
 * A process that was restored under another kernel keeps the code of its old vDSO, whose functions jump into
 * the running kernel's, parked elsewhere. The last bytes of the parked one, which nothing uses, tell a later dump.
 */
struct vdso_marker {
	uint64_t magic;
	uint64_t vdso_at; /* where the process believes its vDSO to be */
	uint64_t version;
	uint64_t vvar_at;
	uint64_t runtime_vvar_at; /* of the parked one */
};
#define VDSO_MARKER_MAGIC 0x4f53447655495243ULL /* "CRIUvDSO" in memory */
#define VDSO_MARKER_VERSION 3

/* Finds the marker in an image: at the end, where we put it, or where another tool did. */
bool vdso_find_marker(const void *image, size_t size, struct vdso_marker *ret);

#endif
