/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* options: the agent's configuration, from Neutron's own files and neutrino.conf, as agent_config. */

#include <stdbool.h>
#include <stddef.h>

#include "agent/agent.h"

struct conf;
struct err;

struct options {
	struct conf *conf; /* borrowed */
	struct agent_config config; /* points into conf and into the texts below */
	char host[HOST_NAME_SIZE];
	char *server, *snapshot_path, *control;
	json_t *configurations;
};

/* What `--config-file` and `--config-dir` named, in order; none: the usual files in /etc/neutron. */
struct options_source {
	const char *path;
	bool is_dir;
};

/* Reads the files; the caller has *ret (conf_free()), for options_read() and conf_judge.h. */
int options_load(const struct options_source *sources, size_t n, const struct driver_ops *const *drivers,
		 size_t n_drivers, struct conf **ret, struct err *err);
/* An option that cannot be obeyed is an error that names it. options_fini(*ret) before c is freed, also after a
 * failure. */
int options_read(struct conf *c, const struct driver_ops *const *drivers, size_t n_drivers, struct options *ret,
		 struct err *err);
void options_fini(struct options *o);
/* 1: the address of the tunnels is on this host; 0: it is not (yet). */
int options_local_ip_is_here(const struct options *o);
