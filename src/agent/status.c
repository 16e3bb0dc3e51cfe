/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/status.h"

#include <stdio.h>
#include <string.h>
#include <uthash.h>

#include "base/mem.h"

struct port {
	uint32_t num;
	enum driver_port_state device;
	char text[256]; /* the driver's, when it failed */
	bool told, in_plan;
	struct message_port last; /* what was told */
	UT_hash_handle hh;
};

struct status {
	struct port *ports;
};

static struct port *find(const struct status *s, uint32_t num)
{
	struct port *p;

	HASH_FIND(hh, s->ports, &num, sizeof(num), p);
	return p;
}

static struct port *get(struct status *s, uint32_t num)
{
	struct port *p = find(s, num);

	if (p)
		return p;
	p = xcalloc(1, sizeof(*p));
	p->num = num;
	p->device = DRIVER_PORT_ABSENT;
	HASH_ADD(hh, s->ports, num, sizeof(p->num), p);
	return p;
}

void status_device(struct status *s, uint32_t port, enum driver_port_state state, const char *text)
{
	struct port *p = get(s, port);

	p->device = state;
	snprintf(p->text, sizeof(p->text), "%s", text ? text : "");
}

bool status_has_device(const struct status *s, uint32_t port)
{
	const struct port *p = find(s, port);

	return p && p->device != DRIVER_PORT_ABSENT;
}

void status_forget_told(struct status *s)
{
	for (struct port *p = s->ports; p; p = p->hh.next)
		p->told = false;
}

static struct message_port state_of(const struct port *p, const struct plan_port *port, const struct apply *a)
{
	struct message_port now = { .num = port->key.port, .state = MESSAGE_PORT_DOWN };
	const char *why = NULL;

	if (!p || p->device == DRIVER_PORT_ABSENT)
		return now;
	if (p->device == DRIVER_PORT_FAILED)
		why = p->text;
	else
		why = apply_port_error(a, port->key.port, port->network);
	if (why) {
		now.state = MESSAGE_PORT_ERROR;
		snprintf(now.text, sizeof(now.text), "%s", why);
	} else if (apply_port_is_up(a, port->key.port)) {
		now.state = MESSAGE_PORT_UP;
	}
	return now;
}

struct report {
	struct status *status;
	const struct model *model;
	const struct apply *apply;
	json_t *list;
};

static void report_port(const struct plan_record *r, void *arg)
{
	struct report *report = arg;
	struct port *p = get(report->status, r->port.key.port);
	struct message_port now = state_of(p, &r->port, report->apply);
	const struct object *o = model_find(report->model, OBJECT_PORT, p->num, 0);

	p->in_plan = true;
	now.binding = o ? o->port.binding : 0;
	if (p->told && p->last.binding == now.binding && p->last.state == now.state && !strcmp(p->last.text, now.text))
		return;
	p->last = now;
	p->told = true;
	json_array_append_new(report->list, message_port_encode(&now));
}

json_t *status_report(struct status *s, const struct plan *plan, const struct model *m, const struct apply *a)
{
	struct report report = { .status = s, .model = m, .apply = a, .list = json_array() };
	struct port *p, *tmp;

	for (p = s->ports; p; p = p->hh.next)
		p->in_plan = false;
	plan_each(plan, PLAN_PORT, report_port, &report);
	HASH_ITER (hh, s->ports, p, tmp) {
		if (p->in_plan)
			continue;
		/* Not ours any more, and if it becomes so again that is news. */
		p->told = false;
		if (p->device == DRIVER_PORT_ABSENT) {
			HASH_DEL(s->ports, p);
			free(p);
		}
	}
	return report.list;
}

struct each {
	const struct status *status;
	const struct apply *apply;
	void (*fn)(const struct status_port *p, void *arg);
	void *arg;
};

static void each_port(const struct plan_record *r, void *arg)
{
	const struct each *each = arg;
	const struct port *p = find(each->status, r->port.key.port);
	struct status_port sp = {
		.port = &r->port,
		.device = p ? p->device : DRIVER_PORT_ABSENT,
		.now = state_of(p, &r->port, each->apply),
	};

	each->fn(&sp, each->arg);
}

void status_each(const struct status *s, const struct plan *plan, const struct apply *a,
		 void (*fn)(const struct status_port *p, void *arg), void *arg)
{
	struct each each = { .status = s, .apply = a, .fn = fn, .arg = arg };

	plan_each(plan, PLAN_PORT, each_port, &each);
}

struct status *status_new(void)
{
	return xcalloc(1, sizeof(struct status));
}

struct status *status_free(struct status *s)
{
	struct port *p, *tmp;

	if (!s)
		return NULL;
	HASH_ITER (hh, s->ports, p, tmp) {
		HASH_DEL(s->ports, p);
		free(p);
	}
	free(s);
	return NULL;
}
