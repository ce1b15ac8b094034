/*
 * Any bytes as a request: received from a socket as they come, and their fields made into options as the service does. See
 * image_fuzz.c. No file is opened, so configuration files are left out.
 */
#include <assert.h>
#include <string.h>
#include <sys/socket.h>

#include "cli/rpc.h"
#include "lib/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make_options(CriuReq *req)
{
	own_mem bool *lists = calloc(option_count, 2 * sizeof(*lists));
	struct rpc_job job = { .req = req, .peer.owner = true };
	struct err e = {};
	int r;

	assert(lists);
	if (req->opts && req->opts->config_file)
		req->opts->config_file[0] = 0;
	job.inv.command =
		&commands[req->type == CRIU_REQ_TYPE__RESTORE ? COMMAND_RESTORE : COMMAND_DUMP];
	options_init(&job.inv.opt);
	job.parse = (struct parse){ &job.inv.opt, "criu", lists, lists + option_count, false };
	r = rpc_options(&job, &e);
	/* Whatever is refused is refused in words. */
	assert(r == 0 ? !e.code : e.code < 0 && e.text[0]);
	options_free(&job.inv.opt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int ends[2];
	CriuReq *req = NULL;
	struct err e = {};
	int r;

	assert(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
	own_fd ours = ends[0];
	own_fd theirs = ends[1];
	assert(send(theirs, data, size, 0) == (ssize_t)size);
	shutdown(theirs, SHUT_WR);
	r = rpc_receive(ours, &req, &e);
	assert(r >= 0 || (e.code == r && e.text[0]));
	assert(r != 0 || size == 0);
	if (r == 1) {
		make_options(req);
		criu_req__free_unpacked(req, NULL);
	}
	return 0;
}
