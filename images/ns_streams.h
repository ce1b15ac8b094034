/* What the images of addresses, routes and rules begin with, and what of them is the kernel's own. */
#ifndef STASIS_IMAGES_NS_STREAMS_H
#define STASIS_IMAGES_NS_STREAMS_H

#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum { STREAM_ADDRESSES = 0x47361222, STREAM_ROUTES = 0x45311224, STREAM_RULES = 0x71706986 };

/* Comes and goes with an address or an interface, and is nothing that one would set. */
static inline bool route_is_of_kernel(const struct nlmsghdr *m)
{
	const struct rtmsg *head = (const struct rtmsg *)NLMSG_DATA(m);

	if (head->rtm_flags & RTM_F_CLONED)
		return true;
	return head->rtm_protocol == RTPROT_KERNEL &&
	       (head->rtm_table == RT_TABLE_LOCAL || head->rtm_type == RTN_UNREACHABLE ||
		head->rtm_type == RTN_LOCAL || head->rtm_type == RTN_ANYCAST ||
		head->rtm_type == RTN_MULTICAST);
}

#endif
