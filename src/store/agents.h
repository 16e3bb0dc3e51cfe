/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* agents: rows of agents: the faces that a host's one agent shows, each once it serves. */

#include "store/hosts.h"
#include "store/table.h"

enum agent_face { AGENT_FACE_L2 = 1, AGENT_FACE_L3 = 2 };

struct agent_row {
	struct base_row base; /* num, id, description, created */
	bool has_description;
	uint32_t host;
	enum agent_face face;
	bool admin_state_up;
	bool held; /* its host holds a snapshot of ours back */
	/* Read along with it. */
	char agent_type[32], binary[40], topic[16];
	struct host_row where;
	uint32_t n_ports, n_routers, n_interfaces; /* on the host */
};

extern const struct table agents_table;

int agents_insert(struct db *db, uint32_t host, enum agent_face face, int64_t now, struct err *err); /* if not there */
int agents_update(struct db *db, const struct agent_row *a, struct err *err);
int agents_delete(struct db *db, uint32_t host, enum agent_face face, struct err *err);
