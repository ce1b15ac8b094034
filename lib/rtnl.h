/*
 * Links, addresses, routes and rules of the network namespace of whoever opens the socket: messages of rtnetlink(7) as they are,
 * lists of them, and many requests at once.
 */
#ifndef STASIS_LIB_RTNL_H
#define STASIS_LIB_RTNL_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

must_check int rtnl_open(int *ret_fd, struct err *e);
/* The same for another protocol, whose lists are told in the same way. -EPROTONOSUPPORT: the kernel does not have it. */
int rtnl_open_other(int protocol);

/* Behind a head of this size. NULL: there is none. */
const struct rtattr *rtnl_find(const struct nlmsghdr *m, size_t head, unsigned short type);
const struct rtattr *rtnl_find_in(const struct rtattr *list, unsigned short type);
/* Its value, 0 or NULL without one. */
uint32_t rtnl_u32(const struct rtattr *a);
const char *rtnl_text(const struct rtattr *a);

/* A message under construction; what does not fit makes rtnl_add() assert. */
struct rtnl_message {
	union {
		struct nlmsghdr head;
		char bytes[8192];
	};
};

/* flags besides NLM_F_REQUEST */
void rtnl_begin(struct rtnl_message *m, int type, int flags, const void *head, size_t size);
struct rtattr *rtnl_add(struct rtnl_message *m, int type, const void *data, size_t size);
void rtnl_add_u32(struct rtnl_message *m, int type, uint32_t value);
void rtnl_add_text(struct rtnl_message *m, int type, const char *text);
/* Attributes that are added until the end are inside. */
struct rtattr *rtnl_nest(struct rtnl_message *m, int type);
void rtnl_nest_end(struct rtnl_message *m, struct rtattr *nest);

/*
 * Asks for a list; each message comes to hear(). 0 or -errno. A list that changed meanwhile is asked for again, so hear() may get a message
 * twice; forget (may be NULL) is called before.
 */
int rtnl_list(int fd, const struct rtnl_message *question,
	      void (*hear)(const struct nlmsghdr *m, void *arg), void (*forget)(void *arg),
	      void *arg);

/* One request. 0 or -errno; said (may be NULL): what the kernel says besides, "" for nothing. */
int rtnl_ask(int fd, struct rtnl_message *m, char said[128]);

/*
 * Many requests, sent together. An answer that is not 0 comes to failed(), with the number of the request and what the kernel says, in their order;
 * it returns 0 to go on.
 */
struct rtnl_batch;
typedef int (*rtnl_failed_fn)(void *arg, size_t number, int error, const char *said, struct err *e);

must_check int rtnl_batch_new(int fd, rtnl_failed_fn failed, void *arg, struct rtnl_batch **ret,
			      struct err *e);
/* The head's flags get NLM_F_REQUEST and NLM_F_ACK. Numbers count from 0. */
must_check int rtnl_batch_add(struct rtnl_batch *b, const struct nlmsghdr *m, struct err *e);
/* Sends what was not sent yet, and hears all answers. */
must_check int rtnl_batch_finish(struct rtnl_batch *b, struct err *e);
void rtnl_batch_free(struct rtnl_batch **b);
#define own_batch __attribute__((cleanup(rtnl_batch_free))) struct rtnl_batch

#endif
