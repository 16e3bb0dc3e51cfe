/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * status: the truth about this host's ports, as the server is told. A port is up when its record
 * has reached the datapath and its device is there and programmed; down without a device; error
 * when its device could not be programmed, or a record it cannot do without could not be applied.
 */

#include <stdbool.h>
#include <stdint.h>

#include "agent/apply.h"
#include "base/json.h"
#include "driver/driver.h"
#include "model/model.h"
#include "watch/message.h"

struct status;

struct status *status_new(void);
struct status *status_free(struct status *s); /* accepts NULL, returns NULL */

/* The driver's word about a device. */
void status_device(struct status *s, uint32_t port, enum driver_port_state state, const char *text);
bool status_has_device(const struct status *s, uint32_t port);

/* A new connection: every port is told again. */
void status_forget_told(struct status *s);
/* Ports whose state is not what was told last of this binding, as a report's list; they count as told. The caller owns
 * it. */
json_t *status_report(struct status *s, const struct plan *plan, const struct model *m, const struct apply *a);

/* Each port of the plan as it is now. */
struct status_port {
	const struct plan_port *port;
	enum driver_port_state device;
	struct message_port now;
};
void status_each(const struct status *s, const struct plan *plan, const struct apply *a,
		 void (*fn)(const struct status_port *p, void *arg), void *arg);
