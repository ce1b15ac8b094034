/*
 * What a restore says to the process that brings pages ('lazy-pages'), over a UNIX socket in the work directory; the protocol is
 * CRIU's. For each task its pid (32 bits) and a byte that carries its userfaultfd, for a zombie its pid with a minus and no
 * more; then a word that all is restored. The end before that word: there is no tree.
 */
#ifndef STASIS_LAZY_SOCKET_H
#define STASIS_LAZY_SOCKET_H

#include "lib/err.h"

#define LAZY_SOCKET "lazy-pages.socket"
enum { LAZY_FINISHED = 0x52535446 };

/* --- of a restore --- */
must_check int lazy_socket_connect(int *ret, struct err *e);
/* uffd -1: a zombie. */
must_check int lazy_socket_send(int sock, int pid, int uffd, struct err *e);
must_check int lazy_socket_finish(int sock, struct err *e);

/* --- of the other side --- */
/* One that an earlier process has left there is removed. */
must_check int lazy_socket_listen(int *ret, struct err *e);
/* *ret_uffd: -1: a zombie. */
must_check int lazy_socket_receive(int sock, int *ret_pid, int *ret_uffd, struct err *e);

#endif
