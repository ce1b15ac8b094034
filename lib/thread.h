/* Threads that help the one that began. */
#ifndef STASIS_LIB_THREAD_H
#define STASIS_LIB_THREAD_H

#include <pthread.h>

/* One that takes no signals: these are for the thread that has asked for them. 0, or a number of errno. */
int thread_start(pthread_t *ret, void *(*run)(void *), void *arg);
/* How many processors we may use; 1 when nobody knows. */
unsigned int thread_processors(void);

#endif
