/*
 * What sock_diag tells about UNIX sockets. The kernel looks for each one among all there are, so when many are asked for they are
 * asked for all at once. The tree stands still, so what was told stays true.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dump/fd/unixsk.h"
#include "dump/files_table.h"

enum { ASKED_ONE_BY_ONE = 64 };

int unixsk_ask(struct files *files, uint32_t inode, struct netlink_unix *ret)
{
	const struct netlink_unix *found;

	if (files->unix_asked++ == ASKED_ONE_BY_ONE)
		(void)!netlink_unix_all(&files->unix_all, &files->unix_count);
	found = netlink_unix_find(files->unix_all, files->unix_count, inode);
	if (!found)
		return netlink_unix_state(inode, ret);
	*ret = *found;
	if (found->waiting_count) {
		ret->waiting = malloc(found->waiting_count * sizeof(uint32_t));
		if (!ret->waiting)
			return -ENOMEM;
		memcpy(ret->waiting, found->waiting, found->waiting_count * sizeof(uint32_t));
	} else {
		ret->waiting = NULL;
	}
	return 0;
}
