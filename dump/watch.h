/*
 * What inotify and fanotify watch are inodes, which fdinfo tells by device, number and file handle. For the images they
 * need a path, or the file of a descriptor, or at least a handle by which the kernel finds the inode again.
 */
#ifndef STASIS_DUMP_WATCH_H
#define STASIS_DUMP_WATCH_H

#include "dump/files.h"
#include "images/fd/fh.pb-c.h"

/* One watched inode. */
struct watched {
	const struct file *by; /* whose watch it is */
	uint32_t number;       /* of the watch, for the extra entry and for errors */
	uint64_t ino;
	uint32_t dev; /* as the kernel has it inside: minor in the lower 20 bits */
	FhEntry *handle;
	bool found;
};

/* From a line of fdinfo: "... ino:X sdev:X ... fhandle-bytes:X fhandle-type:X f_handle:X..." */
must_check int watch_parse(const struct file *f, const char *line, struct watched *ret,
			   struct err *e);
/* A hexadecimal number behind name ("mask:") in this line. */
bool watch_number(const char *line, const char *name, uint64_t *ret);
/* Finds each of these, when all descriptions are known: sets the path of its handle, or an entry of by_file. */
must_check int watch_find(struct watched *w, size_t count, struct err *e);
/* The path of the mount of this id, NULL: it cannot be seen. */
must_check int watch_mount(struct dump *d, int id, const char **ret, struct err *e);
/* The path that leads into a whole file system of this device. */
must_check int watch_filesystem(struct dump *d, uint32_t dev, const char **ret, struct err *e);

/* dump/watch_scan.c: looks through directories for those that are not found, and gives them their paths. */
must_check int watch_scan(struct dump *d, struct watched **w, size_t count, struct err *e);

#endif
