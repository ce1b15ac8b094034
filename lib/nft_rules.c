/* Rules of nftables as text; see nft_rules.h. */
#include "lib/nft_rules.h"

#include <errno.h>
#include <nftables/libnftables.h>
#include <stdlib.h>
#include <string.h>

#include "lib/own.h"

static void free_context(struct nft_ctx **context)
{
	if (*context)
		nft_ctx_free(*context);
}

#define own_nft __attribute__((cleanup(free_context))) struct nft_ctx

static int open_context(struct nft_ctx **ret, struct err *e)
{
	own_nft *c = nft_ctx_new(NFT_CTX_DEFAULT);

	if (!c || nft_ctx_buffer_output(c) < 0 || nft_ctx_buffer_error(c) < 0)
		return err_code(e, ENOMEM, "memory for nftables");
	*ret = c;
	c = NULL;
	return 0;
}

static int fail(struct nft_ctx *c, const char *what, struct err *e)
{
	const char *said = nft_ctx_get_error_buffer(c);

	if (strncmp(said, "Error: ", 7) == 0)
		said += 7;
	return err_code(e, EIO, "%s by nftables: %.*s", what, (int)strcspn(said, "\n"), said);
}

/* A table that goes with its owner is not ours to make; a rule of iptables-nft is told in a comment only. */
static int check(const char *text, struct err *e)
{
	static const struct {
		const char *has, *what;
	} bad[] = {
		{ "\tflags owner", "tables of nftables that belong to a program that runs" },
		{ "# xt_", "rules of iptables in nftables" },
		{ "xt match", "rules of iptables in nftables" },
		{ "xt target", "rules of iptables in nftables" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (!strstr(text, bad[i].has))
			continue;
		err_code(e, ENOTSUP, "it has %s, which are not supported", bad[i].what);
		return err_hint(e,
				"remove them, or leave the network to others with --empty-ns net");
	}
	return 0;
}

int nft_rules_read(char **ret, struct err *e)
{
	own_nft *c = NULL;
	const char *text;

	if (open_context(&c, e) < 0)
		return e->code;
	errno = 0;
	if (nft_run_cmd_from_buffer(c, "list ruleset") != 0) {
		/* A kernel without it has none. */
		if (strstr(nft_ctx_get_error_buffer(c), "not supported"))
			text = "";
		else
			return fail(c, "list its rules", e);
	} else {
		text = nft_ctx_get_output_buffer(c);
	}
	if (check(text, e) < 0)
		return e->code;
	*ret = strdup(text);
	return *ret ? 0 : err_sys(e, "memory for rules");
}

int nft_rules_write(const char *rules, struct err *e)
{
	own_nft *c = NULL;

	if (!rules[strspn(rules, " \n\t")])
		return 0;
	if (open_context(&c, e) < 0)
		return e->code;
	return nft_run_cmd_from_buffer(c, rules) == 0 ? 0 : fail(c, "set its rules", e);
}
