/* A temporary folder that goes when the block is left, with the files in it. */
#ifndef STASIS_TEST_FOLDER_H
#define STASIS_TEST_FOLDER_H

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder {
	char path[64];
	int fd;
};

static inline struct folder folder_make(void)
{
	struct folder f = { .path = "/tmp/stasis-test.XXXXXX" };

	assert(mkdtemp(f.path));
	f.fd = open(f.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(f.fd >= 0);
	return f;
}

static inline void folder_remove(struct folder *f)
{
	DIR *dir = opendir(f->path);

	for (struct dirent *d; dir && (d = readdir(dir));)
		unlinkat(f->fd, d->d_name, 0);
	if (dir)
		closedir(dir);
	close(f->fd);
	rmdir(f->path);
}

#define own_folder __attribute__((cleanup(folder_remove))) struct folder

static inline size_t folder_file_size(const struct folder *f, const char *name)
{
	struct stat st;

	assert(fstatat(f->fd, name, &st, 0) == 0);
	return st.st_size;
}

/* The file as it is to be: these bytes and no others. */
static inline void folder_put(const struct folder *f, const char *name, const void *data,
			      size_t size)
{
	int fd = openat(f->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert(fd >= 0);
	assert(write(fd, data, size) == (ssize_t)size);
	close(fd);
}

#endif
