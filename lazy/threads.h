/* Threads that wait for pages: a userfaultfd calls them by the number that they have in their own pid namespace. */
#ifndef STASIS_LAZY_THREADS_H
#define STASIS_LAZY_THREADS_H

#include <sys/types.h>

/* Our number of a thread of another pid namespace (its inode); 0: it is not there. */
int thread_here(ino_t pid_ns, int tid);

#endif
