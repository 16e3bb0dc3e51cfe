/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* settings: the server's options, read from Neutron's files, checked, and in the types that the parts want. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/mac.h"

struct conf;
struct err;

struct settings {
	char *api_address; /* what it really listens on */
	uint16_t api_port;
	char *agent_listen; /* "tcp:ADDRESS:PORT" */
	char *database; /* path of the SQLite file */
	char *vni_ranges;
	struct mac base_mac, dvr_base_mac;
	bool router_distributed, host_dvr_for_dhcp;
	uint32_t physnet_mtu, agent_down_time;
	bool debug;
};

/* Where options come from: the arguments of --config-file and --config-dir, in order; n 0: the usual files. */
struct settings_source {
	const char *path;
	bool dir;
};

/* Reads the files; the caller has *ret (conf_free()), for settings_read() and conf_judge.h. */
int settings_load(const struct settings_source *sources, size_t n, struct conf **ret, struct err *err);
/* An option that cannot be obeyed is an error that names it. */
int settings_read(const struct conf *c, struct settings *ret, struct err *err);
void settings_clear(struct settings *s);
