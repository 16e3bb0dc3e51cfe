/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "driver/ovs/openflow_request.h"
#include "fuzz.h"

/*
 * What a switch says in answer to a request. The first byte says which one it is: it has the xids from 1 on. The
 * corpus is what an Open vSwitch said.
 */

static unsigned told;

static void on_done(int r, const char *why, void *arg)
{
	(void)arg;
	if (!why || (r < 0 && !*why))
		abort();
	told++;
}

static void on_bundle(int r, const struct openflow_error *errors, size_t n, void *arg)
{
	size_t n_mods = *(size_t *)arg;

	if (n > OPENFLOW_ERRORS || (r < 0) != (n > 0))
		abort();
	for (size_t i = 0; i < n; i++)
		if ((errors[i].mod >= n_mods && errors[i].mod != SIZE_MAX) || !errors[i].text[0])
			abort();
	told++;
}

static void on_flow(const struct flow *f, const struct openflow_stats *stats, void *arg)
{
	struct flow copy;

	(void)stats;
	(void)arg;
	flow_copy(&copy, f);
	flow_fini(&copy);
}

static void on_meter(uint32_t id, const struct openflow_stats *in, const struct openflow_stats *dropped, void *arg)
{
	(void)id;
	(void)in;
	(void)dropped;
	(void)arg;
}

static struct request *ask(unsigned which)
{
	static const struct openflow_meter meters[] = { { 1, 100, 100 }, { 2, 0, 0 } };
	static size_t n_mods = 3;
	struct flow f;
	struct flow_mod mods[3];
	struct request *q;

	switch (which) {
	case 'h':
		return request_hello(1, on_done, NULL);
	case 'd':
		return request_dump(1, OPENFLOW_ALL_TABLES, 0, 0, on_flow, on_done, NULL);
	case 'x':
		return request_delete(1, 0, 0, on_done, NULL);
	case 'm':
		return request_meters(1, meters, N_ELEMENTS(meters), on_done, NULL);
	case 's':
		return request_meter_stats(1, on_meter, on_done, NULL);
	case 'b':
		flow_init(&f, 0, 1, 0);
		for (size_t i = 0; i < n_mods; i++)
			mods[i] = (struct flow_mod) { FLOW_ADD, &f };
		q = request_bundle(1, mods, n_mods, on_bundle, &n_mods);
		flow_fini(&f);
		return q;
	default:
		return NULL;
	}
}

static void packet_in(const struct ofp_message *m)
{
	struct openflow_packet_in p;
	uint64_t value;

	if (ofp_read_packet_in(m, &p, NULL) < 0)
		return;
	for (enum field field = 0; field < FIELD_COUNT; field++)
		flow_oxm_find(p.oxm, p.oxm_len, field, &value);
	if (p.len > 0)
		free(xmemdup(p.frame, p.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request *q = size > 0 ? ask(data[0]) : NULL;
	struct err err = { 0 };
	int len, r = 0;

	told = 0;
	for (size_t at = 1; q && r == 0 && at < size; at += (size_t)len) {
		/* Of its own size, so that reading behind the end is seen. */
		_cleanup_(freep) uint8_t *bytes = xmemdup(data + at, size - at);
		struct ofp_message m;

		len = ofp_read(bytes, size - at, &m, &err);
		if (len < 0 && !err.text[0])
			abort();
		if (len <= 0)
			break;
		if (m.type == OFP_PACKET_IN)
			packet_in(&m);
		else if (m.xid - q->xid < q->n_xids || m.type == OFP_HELLO)
			r = request_message(q, &m, &err);
		if (r < 0 && !err.text[0])
			abort();
		if (told)
			abort();
	}
	if (q && r == 1)
		request_end(q, q->r, q->why);
	if (told != (q && r == 1))
		abort();
	request_free(q);
	return 0;
}
