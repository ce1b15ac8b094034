/*
 * What follows a record in its file: bytes whose number the record tells, in base64; semaphores as numbers,
 * System V messages as a list.
 */
#include "cli/show.h"
#include "images/fd/bpfmap.pb-c.h"
#include "images/fd/ghost.pb-c.h"
#include "images/fd/inetsk_extra.pb-c.h"
#include "images/fd/pipe.pb-c.h"
#include "images/fd/sk_queue.pb-c.h"
#include "images/fd/tcp.pb-c.h"
#include "images/ns/ipc.pb-c.h"
#include "lib/own.h"

/* Bytes in a file, and how many with those that fill up to a multiple of 'unit'. */
static uint64_t filled_up(const struct image *i, uint64_t size, unsigned int unit)
{
	/* More than there is cannot be read anyway; the sum must not run over. */
	return size > image_left(i) ? size : (size + unit - 1) / unit * unit;
}

static int show_bytes(struct json *j, const char *key, struct image *i, uint64_t size,
		      struct err *e)
{
	own_mem char *data = NULL;
	int r;

	r = image_take_extra(i, size, &data, e);
	if (r < 0)
		return r;
	json_base64(j, key, data, size);
	return 0;
}

static int pipe_extra(struct json *j, struct image *i, const void *m, struct err *e)
{
	const PipeDataEntry *entry = m;

	return show_bytes(j, "extra", i, entry->bytes, e);
}

static int packet_extra(struct json *j, struct image *i, const void *m, struct err *e)
{
	const SkPacketEntry *entry = m;

	return show_bytes(j, "extra", i, entry->length, e);
}

static int tcp_extra(struct json *j, struct image *i, const void *m, struct err *e)
{
	const TcpStreamEntry *entry = m;
	int r;

	json_begin(j, "extra", '{');
	r = show_bytes(j, "inq", i, entry->inq_len, e);
	if (r == 0)
		r = show_bytes(j, "outq", i, entry->outq_len, e);
	json_end(j, '}');
	return r;
}

static int waiting_extra(struct json *j, struct image *i, const void *m, struct err *e)
{
	const InetWaitingEntry *entry = m;

	return show_bytes(j, "extra", i, entry->length, e);
}

static int datagram_extra(struct json *j, struct image *i, const void *m, struct err *e)
{
	const InetDatagramEntry *entry = m;

	return show_bytes(j, "extra", i, entry->length, e);
}

static int bpfmap_extra(struct json *j, struct image *i, const void *m, struct err *e)
{
	const BpfmapDataEntry *entry = m;
	int r;

	json_begin(j, "extra", '{');
	r = show_bytes(j, "keys", i, entry->keys_bytes, e);
	if (r == 0)
		r = show_bytes(j, "values", i, entry->values_bytes, e);
	json_end(j, '}');
	return r;
}

/* Contents in pieces have records of their own; else they reach to the end of the file. */
static int ghost_extra(struct json *j, struct image *i, const void *m, struct err *e)
{
	const GhostFileEntry *entry = m;

	if (entry->chunks || !image_left(i))
		return 0;
	return show_bytes(j, "extra", i, image_left(i), e);
}

static int chunk_extra(struct json *j, struct image *i, const void *m, struct err *e)
{
	const GhostChunkEntry *entry = m;

	return show_bytes(j, "extra", i, entry->len, e);
}

static int shm_extra(struct json *j, struct image *i, const void *m, struct err *e)
{
	const IpcShmEntry *entry = m;

	if (entry->in_pagemaps)
		return 0;
	return show_bytes(j, "extra", i, filled_up(i, entry->size, 4), e);
}

static int sem_extra(struct json *j, struct image *i, const void *m, struct err *e)
{
	const IpcSemEntry *entry = m;
	own_mem char *data = NULL;
	const uint16_t *values;
	int r;

	r = image_take_extra(i, filled_up(i, entry->nsems * 2UL, 8), &data, e);
	if (r < 0)
		return r;
	values = (const uint16_t *)data;
	json_begin(j, "extra", '[');
	for (uint32_t n = 0; n < entry->nsems; n++)
		json_plain(j, NULL, "%u", values[n]);
	json_end(j, ']');
	return 0;
}

static int show_message(struct json *j, struct image *i, struct err *e)
{
	own_message IpcMsg *msg = NULL;
	own_mem char *data = NULL;
	int r;

	r = image_read(i, &ipc_msg__descriptor, &msg, e);
	if (r < 0)
		return r;
	if (r == 0)
		return err_say(e, "'%s' is cut short: a message is missing", i->name);
	r = image_take_extra(i, filled_up(i, msg->msize, 8), &data, e);
	if (r < 0)
		return r;
	json_begin(j, NULL, '{');
	show_fields(j, &msg->base, false);
	json_base64(j, "extra", data, msg->msize);
	json_end(j, '}');
	return 0;
}

static int msg_extra(struct json *j, struct image *i, const void *m, struct err *e)
{
	const IpcMsgEntry *entry = m;
	int r = 0;

	json_begin(j, "extra", '[');
	for (uint32_t n = 0; n < entry->qnum && r == 0; n++)
		r = show_message(j, i, e);
	json_end(j, ']');
	return r;
}

int show_extra(struct json *j, struct image *i, const ProtobufCMessage *m, struct err *e)
{
	static const struct {
		const ProtobufCMessageDescriptor *message;
		int (*show)(struct json *j, struct image *i, const void *m, struct err *e);
	} kinds[] = {
		{ &pipe_data_entry__descriptor, pipe_extra },
		{ &sk_packet_entry__descriptor, packet_extra },
		{ &tcp_stream_entry__descriptor, tcp_extra },
		{ &inet_waiting_entry__descriptor, waiting_extra },
		{ &inet_datagram_entry__descriptor, datagram_extra },
		{ &bpfmap_data_entry__descriptor, bpfmap_extra },
		{ &ghost_file_entry__descriptor, ghost_extra },
		{ &ghost_chunk_entry__descriptor, chunk_extra },
		{ &ipc_shm_entry__descriptor, shm_extra },
		{ &ipc_sem_entry__descriptor, sem_extra },
		{ &ipc_msg_entry__descriptor, msg_extra },
	};

	for (size_t n = 0; n < ARRAY_SIZE(kinds); n++)
		if (kinds[n].message == m->descriptor)
			return kinds[n].show(j, i, m, e);
	return 0;
}
