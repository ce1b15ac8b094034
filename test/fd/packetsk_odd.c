/* A packet socket with a ring, which is not mapped. */
#include "test/lib/fds.h"

#include <linux/if_packet.h>
#include <sys/socket.h>

int main(void)
{
	struct tpacket_req ring = { 4096, 2, 2048, 4 };
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (fd < 0)
		victim_skip(strerror(errno));
	SYS(setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof(ring)));
	victim_ready();
	victim_ok();
}
