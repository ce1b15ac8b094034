/* What the user asked for; see options.h. Filling it from words is cli/'s. */
#include "lib/options.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"

const char *freeze_word(enum freeze_mode mode)
{
	static const char *const words[] = {
		[FREEZE_AUTO] = "auto",
		[FREEZE_STOP] = "stop",
		[FREEZE_COW] = "cow",
		[FREEZE_PRECOPY] = "precopy",
	};

	return words[mode];
}

void options_init(struct options *opt)
{
	*opt = (struct options){
		.images_fd = -1,
		.work_fd = -1,
		.status_fd = -1,
		.pages = { .socket = -1 },
		.verbosity = LOG_LEVEL_WARN,
		.timeout = TIMEOUT_DEFAULT,
		.max_rounds = MAX_ROUNDS_DEFAULT,
		.every_us = EVERY_DEFAULT_US,
		.keep = KEEP_DEFAULT,
		.ghost_limit = GHOST_LIMIT_DEFAULT,
		.ghost_fiemap = true,
		.file_validation = FILE_VALIDATION_BUILDID,
		.cpu_cap = CPU_CAP_FPU | CPU_CAP_INS,
	};
}

static void list_free(struct string_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->item[i]);
	free(list->item);
}

static void migrate_free(struct migrate_options *m)
{
	char *texts[] = { m->transport, m->remote_program, m->id,	   m->status,
			  m->resume,	m->abort,	   m->move_address };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		free(texts[i]);
	list_free(&m->remote_options);
}

void options_free(struct options *opt)
{
	char *texts[] = { opt->images_dir,   opt->prev_images_dir,   opt->work_dir,
			  opt->log_file,     opt->pidfile,	     opt->root,
			  opt->inject_fault, opt->check_feature,     opt->cgroup_props,
			  opt->cgroup_yard,  opt->cgroup_props_file, opt->freeze_cgroup,
			  opt->address,	     opt->pages.tls_cacert,  opt->pages.tls_cacrl,
			  opt->pages.tls_cert, opt->pages.tls_key };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		free(texts[i]);
	for (size_t i = 0; i < NS_COUNT; i++)
		free(opt->join_ns[i]);
	for (char **word = opt->exec_cmd; word && *word; word++)
		free(*word);
	free(opt->exec_cmd);
	list_free(&opt->external);
	list_free(&opt->skip_mnts);
	list_free(&opt->enable_fs);
	list_free(&opt->irmap_scan_paths);
	list_free(&opt->action_scripts);
	list_free(&opt->cgroup_controllers);
	migrate_free(&opt->migrate);
	for (size_t i = 0; i < opt->inherit_count; i++)
		free(opt->inherit_fds[i].key);
	free(opt->inherit_fds);
	free(opt->tcp_rebinds);
	for (size_t i = 0; i < opt->cgroup_root_count; i++) {
		free(opt->cgroup_roots[i].controller);
		free(opt->cgroup_roots[i].path);
	}
	free(opt->cgroup_roots);
	if (opt->images_fd >= 0)
		close(opt->images_fd);
	if (opt->work_fd >= 0)
		close(opt->work_fd);
	options_init(opt);
}

bool options_external(const struct options *opt, const char *resource, const char **ret_value)
{
	size_t len = strlen(resource);

	for (size_t i = 0; i < opt->external.count; i++) {
		const char *given = opt->external.item[i];

		if (strncmp(given, resource, len) != 0 || (given[len] && given[len] != ':'))
			continue;
		if (ret_value)
			*ret_value = given[len] ? given + len + 1 : "";
		return true;
	}
	return false;
}

int options_inherited(const struct options *opt, const char *key)
{
	for (size_t i = 0; i < opt->inherit_count; i++) {
		if (strcmp(opt->inherit_fds[i].key, key) == 0)
			return opt->inherit_fds[i].fd;
	}
	return -1;
}
