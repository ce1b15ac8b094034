/* What the kinds of System V objects have in common; see sysv.h. */
#include "dump/sysv.h"

void sysv_describe(const struct ipc_perm *perm, uint32_t id, IpcDescEntry *ret)
{
	ipc_desc_entry__init(ret);
	ret->key = perm->__key;
	ret->uid = perm->uid;
	ret->gid = perm->gid;
	ret->cuid = perm->cuid;
	ret->cgid = perm->cgid;
	ret->mode = perm->mode;
	ret->id = id;
}
