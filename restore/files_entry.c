/* What the messages of all kinds of descriptors have in common: an id, flags, an owner of signals. */
#include "restore/files_table.h"

/* The message that belongs to a type, and whether its flags are those of open(2). */
static const struct sort {
	FdTypes type;
	const ProtobufCMessageDescriptor *message;
	bool open_flags;
} sorts[] = {
	{ FD_TYPES__REG, &reg_file_entry__descriptor, true },
	{ FD_TYPES__PIPE, &pipe_entry__descriptor, true },
	{ FD_TYPES__FIFO, &fifo_entry__descriptor, false },
	{ FD_TYPES__TTY, &tty_file_entry__descriptor, true },
	{ FD_TYPES__EVENTFD, &eventfd_file_entry__descriptor, false },
	{ FD_TYPES__EVENTPOLL, &eventpoll_file_entry__descriptor, false },
	{ FD_TYPES__SIGNALFD, &signalfd_entry__descriptor, false },
	{ FD_TYPES__TIMERFD, &timerfd_entry__descriptor, false },
	{ FD_TYPES__MEMFD, &memfd_file_entry__descriptor, false },
	{ FD_TYPES__INOTIFY, &inotify_file_entry__descriptor, true },
	{ FD_TYPES__FANOTIFY, &fanotify_file_entry__descriptor, false },
	{ FD_TYPES__PIDFD, &pidfd_entry__descriptor, false },
	{ FD_TYPES__NS, &ns_file_entry__descriptor, false },
	{ FD_TYPES__UNIXSK, &unix_sk_entry__descriptor, true },
	{ FD_TYPES__INETSK, &inet_sk_entry__descriptor, true },
	{ FD_TYPES__NETLINKSK, &netlink_sk_entry__descriptor, true },
	{ FD_TYPES__PACKETSK, &packet_sock_entry__descriptor, true },
	{ FD_TYPES__BPFMAP, &bpfmap_file_entry__descriptor, false },
	{ FD_TYPES__EXT, &ext_file_entry__descriptor, false },
};

static const struct sort *sort_of(const FileEntry *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(sorts); i++)
		if (sorts[i].type == f->type)
			return &sorts[i];
	return NULL;
}

/* The part of the entry that is of this sort; NULL: it is missing. */
static const char *part_of(const FileEntry *f, const struct sort *s)
{
	const ProtobufCMessageDescriptor *d = &file_entry__descriptor;

	for (unsigned int i = 0; i < d->n_fields; i++)
		if (d->fields[i].descriptor == s->message)
			return *(const char *const *)((const char *)f + d->fields[i].offset);
	return NULL;
}

/* Where a field of it is; NULL: there is no such part, or field. */
static const void *field_of(const FileEntry *f, const char *name)
{
	const struct sort *s = sort_of(f);
	const char *part = s ? part_of(f, s) : NULL;
	const ProtobufCFieldDescriptor *field =
		part ? protobuf_c_message_descriptor_get_field_by_name(s->message, name) : NULL;

	return field ? part + field->offset : NULL;
}

bool rfiles_entry_whole(const FileEntry *f)
{
	const uint32_t *id = field_of(f, "id");

	return !sort_of(f) || (id && *id == f->id);
}

uint32_t rfiles_entry_flags(const FileEntry *f)
{
	const struct sort *s = sort_of(f);
	const uint32_t *flags = s && s->open_flags ? field_of(f, "flags") : NULL;

	return flags ? *flags : 0;
}

const FownEntry *rfiles_entry_owner(const FileEntry *f)
{
	const FownEntry *const *owner = field_of(f, "fown");

	return owner ? *owner : NULL;
}
