/*
 * Addresses that move; see netlink_address.h. Neighbours keep for a while where an address was, so they are told: by an ARP
 * request of the address for itself, and for IPv6 by a neighbour advertisement that nobody has asked for.
 */
#include "lib/netlink_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_addr.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/in.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lib/netlink_ask.h"
#include "lib/own.h"

struct address {
	char dev[IFNAMSIZ], text[INET6_ADDRSTRLEN];
	unsigned index, prefix; /* prefix 0: not said */
	int family;
	size_t size;
	uint8_t bytes[16];
};

static int parse(const char *text, struct address *ret, struct err *e)
{
	const char *address = strchr(text, '/'),
		   *prefix = address ? strchr(address + 1, '/') : NULL;
	size_t length;

	*ret = (struct address){ .family = AF_INET, .size = 4 };
	if (!address || address == text || address - text >= IFNAMSIZ)
		return err_say(e, "'%s' is no DEVICE/ADDRESS", text);
	memcpy(ret->dev, text, address - text);
	length = prefix ? (size_t)(prefix - address - 1) : strlen(address + 1);
	if (length >= sizeof(ret->text))
		return err_say(e, "'%s' has no address in it", text);
	memcpy(ret->text, address + 1, length);
	if (inet_pton(AF_INET, ret->text, ret->bytes) != 1) {
		ret->family = AF_INET6;
		ret->size = 16;
		if (inet_pton(AF_INET6, ret->text, ret->bytes) != 1)
			return err_say(e, "'%s' is no address", ret->text);
	}
	ret->prefix = prefix ? (unsigned)atoi(prefix + 1) : 0;
	if (prefix && (ret->prefix < 1 || ret->prefix > ret->size * 8))
		return err_say(e, "'%s' is no length of a prefix", prefix + 1);
	ret->index = if_nametoindex(ret->dev);
	return ret->index ? 0 : err_sys(e, "the network device '%s'", ret->dev);
}

static const uint8_t *bytes_of(const struct sockaddr *a)
{
	return a->sa_family == AF_INET ? (void *)&((const struct sockaddr_in *)a)->sin_addr :
					 (void *)&((const struct sockaddr_in6 *)a)->sin6_addr;
}

static bool is_it(const struct address *a, const struct ifaddrs *i)
{
	return i->ifa_addr && i->ifa_addr->sa_family == a->family && i->ifa_netmask &&
	       strcmp(i->ifa_name, a->dev) == 0 &&
	       memcmp(bytes_of(i->ifa_addr), a->bytes, a->size) == 0;
}

int address_find(const char *text, char *buf, size_t size, struct err *e)
{
	struct ifaddrs *all, *i;
	struct address a;

	if (parse(text, &a, e) < 0)
		return e->code;
	if (getifaddrs(&all) < 0)
		return err_sys(e, "list the addresses");
	for (i = all; i && !is_it(&a, i); i = i->ifa_next)
		;
	a.prefix = 0;
	for (size_t n = 0; i && n < a.size; n++)
		a.prefix += __builtin_popcount(bytes_of(i->ifa_netmask)[n]);
	freeifaddrs(all);
	if (!a.prefix)
		return err_say(e, "the device '%s' has no address %s", a.dev, a.text);
	snprintf(buf, size, "%s/%s/%u", a.dev, a.text, a.prefix);
	return 0;
}

static int change(int type, const struct address *a)
{
	const struct ifaddrmsg head = { .ifa_family = a->family,
					.ifa_prefixlen = a->prefix,
					.ifa_index = a->index,
					.ifa_flags = IFA_F_NODAD };
	int flags = type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_EXCL : 0;
	own_nl_msg *m = netlink_question(type, flags, &head, sizeof(head));

	if (!m || nla_put(m, IFA_LOCAL, a->size, a->bytes) < 0 ||
	    nla_put(m, IFA_ADDRESS, a->size, a->bytes) < 0)
		return -NLE_NOMEM;
	return netlink_ask(NETLINK_ROUTE, m, NULL, NULL);
}

int address_put_up(const char *text, struct err *e)
{
	struct address a;
	int r;

	if (parse(text, &a, e) < 0)
		return e->code;
	if (!a.prefix)
		a.prefix = a.size * 8;
	r = change(RTM_NEWADDR, &a);
	if (r == -NLE_EXIST)
		return 1;
	return r < 0 ? err_say(e, "give the device '%s' the address %s: %s", a.dev, a.text,
			       nl_geterror(r)) :
		       0;
}

int address_take_down(const char *text, struct err *e)
{
	struct address a;
	int r;

	if (parse(text, &a, e) < 0)
		return e->code;
	r = change(RTM_DELADDR, &a);
	if (r == 0 || r == -NLE_NOADDR)
		return 0;
	return err_say(e, "take the address %s from the device '%s': %s", a.text, a.dev,
		       nl_geterror(r));
}

/* --- neighbours ---------------------------------------------------------------------------------- */

static bool hardware_of(const struct address *a, uint8_t ret[ETH_ALEN])
{
	own_fd fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_ifindex = 0 };

	memcpy(request.ifr_name, a->dev, IFNAMSIZ);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &request) < 0 ||
	    request.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return false;
	memcpy(ret, request.ifr_hwaddr.sa_data, ETH_ALEN);
	return true;
}

static int announce_four(const struct address *a, const uint8_t hardware[ETH_ALEN], struct err *e)
{
	struct ether_arp arp = { .ea_hdr = { htons(ARPHRD_ETHER), htons(ETH_P_IP), ETH_ALEN, 4,
					     htons(ARPOP_REQUEST) } };
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ARP),
				  .sll_ifindex = a->index,
				  .sll_halen = ETH_ALEN };
	own_fd fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memset(to.sll_addr, 0xff, ETH_ALEN);
	memcpy(arp.arp_sha, hardware, ETH_ALEN);
	memcpy(arp.arp_spa, a->bytes, 4);
	memcpy(arp.arp_tpa, a->bytes, 4);
	if (fd < 0 || sendto(fd, &arp, sizeof(arp), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		return err_sys(e, "tell the neighbours on '%s' where %s is", a->dev, a->text);
	return 0;
}

static int announce_six(const struct address *a, const uint8_t hardware[ETH_ALEN], struct err *e)
{
	struct {
		struct nd_neighbor_advert head;
		struct nd_opt_hdr option;
		uint8_t hardware[ETH_ALEN];
	} advert = { .head.nd_na_type = ND_NEIGHBOR_ADVERT,
		     .head.nd_na_flags_reserved = ND_NA_FLAG_OVERRIDE,
		     .option = { ND_OPT_TARGET_LINKADDR, 1 } };
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_scope_id = a->index };
	struct sockaddr_in6 from = to;
	own_fd fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6);
	int hops = 255, index = a->index;

	inet_pton(AF_INET6, "ff02::1", &to.sin6_addr);
	memcpy(&from.sin6_addr, a->bytes, 16);
	memcpy(&advert.head.nd_na_target, a->bytes, 16);
	memcpy(advert.hardware, hardware, ETH_ALEN);
	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops)) < 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof(index)) < 0 ||
	    bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
	    sendto(fd, &advert, sizeof(advert), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		return err_sys(e, "tell the neighbours on '%s' where %s is", a->dev, a->text);
	return 0;
}

int address_announce(const char *text, struct err *e)
{
	uint8_t hardware[ETH_ALEN];
	struct address a;

	if (parse(text, &a, e) < 0)
		return e->code;
	if (!hardware_of(&a, hardware)) /* nobody there has neighbours who keep anything */
		return 0;
	return a.family == AF_INET ? announce_four(&a, hardware, e) : announce_six(&a, hardware, e);
}
