/* Pages of all processes of a folder of images, whose page maps are loaded when somebody asks for them. */
#ifndef STASIS_LAZY_FOLDER_H
#define STASIS_LAZY_FOLDER_H

#include "images/pages.h"
#include "lazy/source.h"

struct source_folder;

must_check int source_folder_begin(struct source_folder **ret, int dir_fd, struct err *e);
/* The page map of a process, which stays the folder's; NULL: there is none, or it is no good. */
must_check int source_folder_map(struct source_folder *f, int pid, const struct stored_pages **ret,
				 struct err *e);
struct lazy_source *source_folder_source(struct source_folder *f);

#endif
