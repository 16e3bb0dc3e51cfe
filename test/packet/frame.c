/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

#define WORDS_MAX 24

struct words {
	size_t n;
	char *at[WORDS_MAX];
};

void frame_init(struct frame *f)
{
	memset(f, 0, sizeof(*f));
	f->vlan = f->total = f->l4 = f->cut = f->pad = f->quote_ttl = -1;
	f->ip.ttl = 64;
}

/* ------------------------------------------------------------------ values */

static int number(const char *text, long min, long max, long *ret)
{
	char *end;
	long n = strtol(text, &end, 0);

	if (end == text || *end || n < min || n > max)
		return -EINVAL;
	*ret = n;
	return 0;
}

static int bytes_parse(const char *text, uint8_t *ret, size_t max, size_t *ret_n)
{
	size_t n = strlen(text) / 2;

	if (strlen(text) % 2 || n > max)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (sscanf(text + 2 * i, "%2hhx", &ret[i]) != 1)
			return -EINVAL;
	*ret_n = n;
	return 0;
}

/* "name=N" into *ret. 0: another word; -EINVAL: this one, and its value is wrong. */
static int option(const char *word, const char *name, long max, long *ret)
{
	size_t n = strlen(name);

	if (strncmp(word, name, n) != 0 || word[n] != '=')
		return 0;
	return number(word + n + 1, 0, max, ret) < 0 ? -EINVAL : 1;
}

/* ------------------------------------------------------------------ lines */

static int parse_eth(struct frame *f, const struct words *w)
{
	for (size_t i = 1; i < w->n; i++) {
		long n = 0;
		int r;

		if (i + 2 < w->n && strcmp(w->at[i + 1], "<") == 0) {
			if (mac_parse(w->at[i], &f->eth.dst) < 0 || mac_parse(w->at[i + 2], &f->eth.src) < 0)
				return -EINVAL;
			i += 2;
		} else if ((r = option(w->at[i], "type", 0xffff, &n)) != 0) {
			f->eth.type = (uint16_t)n;
			f->has_type = true;
			if (r < 0)
				return r;
		} else if ((r = option(w->at[i], "vlan", 4095, &n)) != 0) {
			f->vlan = (int)n;
			if (r < 0)
				return r;
		} else {
			return -EINVAL;
		}
	}
	return 0;
}

static int parse_arp(struct frame *f, const struct words *w)
{
	long op = 0;

	if (w->n < 7 || w->n > 8 || strcmp(w->at[4], ">") != 0)
		return -EINVAL;
	f->l3 = FRAME_L3_ARP;
	f->arp.op = strcmp(w->at[1], "reply") == 0 ? ARP_REPLY : ARP_REQUEST;
	if (w->n == 8) {
		if (option(w->at[7], "op", 0xffff, &op) != 1)
			return -EINVAL;
		f->arp.op = (uint16_t)op;
	}
	if (mac_parse(w->at[2], &f->arp.sender_mac) < 0 || ip_parse(w->at[3], &f->arp.sender) < 0 ||
	    mac_parse(w->at[5], &f->arp.target_mac) < 0 || ip_parse(w->at[6], &f->arp.target) < 0)
		return -EINVAL;
	return 0;
}

static int parse_ip_word(struct frame *f, const char *word)
{
	long n = 0;
	int r = 0;

	if (strcmp(word, "df") == 0)
		f->ip.dont_fragment = true;
	else if (strcmp(word, "mf") == 0)
		f->ip.more_fragments = true;
	else if (strcmp(word, "checksum=bad") == 0)
		f->bad_ip_checksum = true;
	else if (strncmp(word, "options=", 8) == 0)
		return bytes_parse(word + 8, f->options, sizeof(f->options), &f->n_options);
	else if ((r = option(word, "ttl", 255, &n)) != 0)
		f->ip.ttl = (uint8_t)n;
	else if ((r = option(word, "tos", 255, &n)) != 0)
		f->ip.tos = (uint8_t)n;
	else if ((r = option(word, "id", 65535, &n)) != 0)
		f->ip.id = (uint16_t)n;
	else if ((r = option(word, "offset", 65528, &n)) != 0)
		f->ip.offset = (uint16_t)n;
	else if ((r = option(word, "proto", 255, &n)) != 0)
		f->ip.proto = (uint8_t)n;
	else if ((r = option(word, "total", 65535, &n)) != 0)
		f->total = (int)n;
	else
		return -EINVAL;
	return r < 0 ? -EINVAL : 0;
}

static int parse_ip(struct frame *f, const struct words *w)
{
	f->l3 = FRAME_L3_IPV4;
	for (size_t i = 1; i < w->n; i++) {
		if (i + 2 < w->n && strcmp(w->at[i + 1], ">") == 0) {
			if (ip_parse(w->at[i], &f->ip.src) < 0 || ip_parse(w->at[i + 2], &f->ip.dst) < 0)
				return -EINVAL;
			i += 2;
		} else if (parse_ip_word(f, w->at[i]) < 0) {
			return -EINVAL;
		}
	}
	return 0;
}

static int parse_icmp(struct frame *f, const struct words *w)
{
	f->l4 = PROTO_ICMP;
	for (size_t i = 1; i < w->n; i++) {
		long n = 0;

		if (strcmp(w->at[i], "echo") == 0)
			f->icmp.type = ICMP_ECHO;
		else if (strcmp(w->at[i], "reply") == 0)
			f->icmp.type = ICMP_ECHO_REPLY;
		else if (strcmp(w->at[i], "checksum=bad") == 0)
			f->bad_l4_checksum = true;
		else if (option(w->at[i], "type", 255, &n) > 0)
			f->icmp.type = (uint8_t)n;
		else if (option(w->at[i], "code", 255, &n) > 0)
			f->icmp.code = (uint8_t)n;
		else if (option(w->at[i], "id", 65535, &n) > 0)
			f->icmp.rest = (f->icmp.rest & 0xffff) | (uint32_t)n << 16;
		else if (option(w->at[i], "seq", 65535, &n) > 0)
			f->icmp.rest = (f->icmp.rest & 0xffff0000) | (uint32_t)n;
		else
			return -EINVAL;
	}
	return 0;
}

static int parse_transport(struct frame *f, const struct words *w, int proto)
{
	f->l4 = proto;
	for (size_t i = 1; i < w->n; i++) {
		long from, to;

		if (strcmp(w->at[i], "checksum=bad") == 0) {
			f->bad_l4_checksum = true;
			continue;
		}
		if (i + 2 >= w->n || strcmp(w->at[i + 1], ">") != 0 || number(w->at[i], 0, 65535, &from) < 0 ||
		    number(w->at[i + 2], 0, 65535, &to) < 0)
			return -EINVAL;
		f->sport = (uint16_t)from;
		f->dport = (uint16_t)to;
		i += 2;
	}
	return 0;
}

static int parse_error(struct frame *f, const struct words *w)
{
	f->is_error = true;
	memset(&f->icmp, 0, sizeof(f->icmp));
	for (size_t i = 1; i < w->n; i++) {
		long n = 0;

		if (strncmp(w->at[i], "src=", 4) == 0) {
			if (ip_parse(w->at[i] + 4, &f->ip.src) < 0)
				return -EINVAL;
		} else if (option(w->at[i], "type", 255, &n) > 0) {
			f->icmp.type = (uint8_t)n;
		} else if (option(w->at[i], "code", 255, &n) > 0) {
			f->icmp.code = (uint8_t)n;
		} else if (option(w->at[i], "mtu", 65535, &n) > 0) {
			f->icmp.rest = (uint32_t)n;
		} else if (option(w->at[i], "quote_ttl", 255, &n) > 0) {
			f->quote_ttl = (int)n;
		} else {
			return -EINVAL;
		}
	}
	return 0;
}

static int parse_poke(struct frame *f, const struct words *w)
{
	struct frame_poke *p = &f->pokes[f->n_pokes];
	long at;

	if (f->n_pokes == FRAME_POKES || w->n != 3 || number(w->at[1], 0, FRAME_MAX, &at) < 0 ||
	    bytes_parse(w->at[2], p->bytes, sizeof(p->bytes), &p->len) < 0)
		return -EINVAL;
	p->at = (size_t)at;
	f->n_pokes++;
	return 0;
}

static int parse_length(const struct words *w, long *ret)
{
	return w->n == 2 ? number(w->at[1], 0, 60000, ret) : -EINVAL;
}

static int parse_words(struct frame *f, const struct words *w)
{
	const char *layer = w->at[0];
	long n = 0;
	int r;

	if (strcmp(layer, "eth") == 0)
		return parse_eth(f, w);
	if (strcmp(layer, "arp") == 0)
		return parse_arp(f, w);
	if (strcmp(layer, "ip") == 0)
		return parse_ip(f, w);
	if (strcmp(layer, "icmp") == 0)
		return parse_icmp(f, w);
	if (strcmp(layer, "udp") == 0)
		return parse_transport(f, w, PROTO_UDP);
	if (strcmp(layer, "tcp") == 0)
		return parse_transport(f, w, PROTO_TCP);
	if (strcmp(layer, "error") == 0)
		return parse_error(f, w);
	if (strcmp(layer, "poke") == 0)
		return parse_poke(f, w);
	if (strcmp(layer, "hex") == 0)
		return w->n == 2 ? bytes_parse(w->at[1], f->raw, sizeof(f->raw), &f->n_raw) : -EINVAL;
	r = parse_length(w, &n);
	if (strcmp(layer, "data") == 0)
		f->data = (size_t)n;
	else if (strcmp(layer, "cut") == 0)
		f->cut = (int)n;
	else if (strcmp(layer, "pad") == 0)
		f->pad = (int)n;
	else
		return -EINVAL;
	return r;
}

int frame_parse_line(struct frame *f, const char *line, struct err *err)
{
	_cleanup_(freep) char *copy = xstrdup(line);
	struct words w = { 0 };
	char *rest = copy;

	for (char *word; (word = strtok_r(rest, " \t", &rest)); w.n++) {
		if (w.n == WORDS_MAX)
			return err_set(err, ERR_BAD_REQUEST, "", "too many words: %s", line);
		w.at[w.n] = word;
	}
	if (w.n == 0 || parse_words(f, &w) < 0)
		return err_set(err, ERR_BAD_REQUEST, "", "not a layer of a frame: %s", line);
	return 0;
}

/* ------------------------------------------------------------------ bytes */

static size_t build_l4(const struct frame *f, uint8_t *at, const struct ipv4 *ip)
{
	static const size_t sizes[] = { [PROTO_ICMP] = ICMP_SIZE, [PROTO_UDP] = UDP_SIZE, [PROTO_TCP] = TCP_SIZE };
	size_t size = f->l4 < 0 ? 0 : sizes[f->l4], len = size + f->data;
	uint8_t *checksum = at + (f->l4 == PROTO_UDP ? 6 : f->l4 == PROTO_TCP ? 16 : 2);

	for (size_t i = 0; i < f->data; i++)
		at[size + i] = (uint8_t)(i * 7 + 1);
	if (f->l4 < 0)
		return len;
	if (f->l4 == PROTO_ICMP) {
		icmp_write(at, len, &f->icmp);
	} else {
		put_u16(at, f->sport);
		put_u16(at + 2, f->dport);
		if (f->l4 == PROTO_UDP) {
			put_u16(at + 4, (uint16_t)len);
		} else {
			at[12] = TCP_SIZE / 4 << 4;
			at[13] = 0x10; /* ACK */
			put_u16(at + 14, 8192);
		}
		put_u16(checksum, checksum_transport(ip, at, len));
	}
	if (f->bad_l4_checksum)
		put_u16(checksum, get_u16(checksum) ^ 0x5555);
	return len;
}

static size_t build_ipv4(const struct frame *f, uint8_t *at)
{
	struct ipv4 ip = f->ip;
	size_t header = IPV4_SIZE + f->n_options, len;

	if (f->l4 >= 0)
		ip.proto = (uint8_t)f->l4;
	len = header + build_l4(f, at + header, &ip);
	ip.total = (uint16_t)(f->total >= 0 ? (size_t)f->total : len);
	ipv4_write(at, &ip);
	memcpy(at + IPV4_SIZE, f->options, f->n_options);
	at[0] = (uint8_t)(0x40 | header / 4);
	put_u16(at + 10, 0);
	put_u16(at + 10, checksum_fold(checksum_add(0, at, header)));
	if (f->bad_ip_checksum)
		put_u16(at + 10, get_u16(at + 10) ^ 0x5555);
	return len;
}

static size_t build_eth(const struct frame *f, uint8_t *at)
{
	static const uint16_t types[] = { 0x88b5, ETHERTYPE_ARP, ETHERTYPE_V4 };
	struct eth eth = f->eth;
	size_t len = ETH_SIZE;

	if (!f->has_type)
		eth.type = types[f->l3];
	eth_write(at, &eth);
	if (f->vlan >= 0) {
		put_u16(at + 12, ETHERTYPE_TAG);
		put_u16(at + 14, (uint16_t)f->vlan);
		put_u16(at + 16, eth.type);
		len += 4;
	}
	return len;
}

uint8_t *frame_build(const struct frame *f, size_t *ret_len)
{
	uint8_t *at = xcalloc(1, FRAME_MAX + 256);
	size_t len;

	if (f->n_raw) {
		memcpy(at, f->raw, f->n_raw);
		len = f->n_raw;
	} else {
		len = build_eth(f, at);
		if (f->l3 == FRAME_L3_ARP) {
			arp_write(at + len, &f->arp);
			len += ARP_SIZE;
		} else if (f->l3 == FRAME_L3_IPV4) {
			len += build_ipv4(f, at + len);
		} else {
			len += build_l4(f, at + len, &f->ip);
		}
	}
	for (size_t i = 0; i < f->n_pokes; i++)
		memcpy(at + f->pokes[i].at, f->pokes[i].bytes, f->pokes[i].len);
	if (f->cut >= 0 && (size_t)f->cut < len)
		len = (size_t)f->cut;
	if (f->pad >= 0 && (size_t)f->pad > len)
		len = (size_t)f->pad;
	*ret_len = len;
	return at;
}

/* ------------------------------------------------------------------ comparison */

static int differ(struct err *err, const uint8_t *want, size_t want_len, const uint8_t *got, size_t got_len)
{
	char text[2][3 * 64 + 1] = { "", "" };
	size_t at = 0, from;

	while (at < want_len && at < got_len && want[at] == got[at])
		at++;
	from = at < 16 ? 0 : at - 16;
	for (size_t i = 0; i < 64 && from + i < want_len; i++)
		snprintf(text[0] + 3 * i, 4, "%02x ", want[from + i]);
	for (size_t i = 0; i < 64 && from + i < got_len; i++)
		snprintf(text[1] + 3 * i, 4, "%02x ", got[from + i]);
	return err_set(err, ERR_BAD_REQUEST, "", "frames differ at byte %zu (from %zu: want %zu bytes %s, got %zu %s)",
		       at, from, want_len, text[0], got_len, text[1]);
}

/* The quoted packet is what went in, but for the TTL that earlier routers took and the header checksum with it. */
static bool quote_is_right(const uint8_t *quote, size_t len, const struct frame *e, const struct frame *in)
{
	_cleanup_(freep) uint8_t *sent = NULL;
	size_t sent_len, header;
	uint8_t *ip;

	sent = frame_build(in, &sent_len);
	ip = sent + ETH_SIZE;
	header = (size_t)(ip[0] & 0xf) * 4;
	if (e->quote_ttl >= 0) {
		uint16_t word = get_u16(ip + 8);

		ip[8] = (uint8_t)e->quote_ttl;
		put_u16(ip + 10, checksum_update(get_u16(ip + 10), word, get_u16(ip + 8)));
	}
	return len >= header + 8 && len <= sent_len - ETH_SIZE && memcmp(quote, ip, len) == 0;
}

static int check_error(const struct frame *e, const struct frame *in, const uint8_t *frame, size_t len, struct err *err)
{
	const uint8_t *at = frame + ETH_SIZE;
	struct icmp icmp;
	struct ipv4 ip;
	struct eth eth;
	const char *wrong = NULL;

	if (eth_read(frame, len, &eth) < 0 || eth.type != ETHERTYPE_V4 || ipv4_read(at, len - ETH_SIZE, &ip) < 0 ||
	    ip.size != IPV4_SIZE || icmp_read(at + IPV4_SIZE, ip.total - IPV4_SIZE, &icmp) < 0)
		wrong = "it is no ICMP packet";
	else if (ip.proto != PROTO_ICMP || icmp.type != e->icmp.type || icmp.code != e->icmp.code)
		wrong = "protocol, type or code";
	else if (!mac_equal(&eth.dst, &in->eth.src) || !mac_equal(&eth.src, &in->eth.dst))
		wrong = "MAC addresses";
	else if (!ip_equal(&ip.src, &e->ip.src) || !ip_equal(&ip.dst, &in->ip.src))
		wrong = "IP addresses";
	else if (ip.ttl != 64)
		wrong = "TTL";
	else if (icmp.rest != e->icmp.rest)
		wrong = "MTU";
	else if (!checksum_ok(at, IPV4_SIZE) || !checksum_ok(at + IPV4_SIZE, ip.total - IPV4_SIZE))
		wrong = "checksums";
	else if (!quote_is_right(at + IPV4_SIZE + ICMP_SIZE, ip.total - IPV4_SIZE - ICMP_SIZE, e, in))
		wrong = "the quoted packet";
	return wrong ? err_set(err, ERR_BAD_REQUEST, "", "the ICMP error is wrong: %s", wrong) : 0;
}

int frame_check(const struct frame *expected, const struct frame *in, const uint8_t *frame, size_t len, struct err *err)
{
	_cleanup_(freep) uint8_t *want = NULL;
	size_t want_len;

	if (expected->is_error)
		return check_error(expected, in, frame, len, err);
	want = frame_build(expected, &want_len);
	if (want_len != len || memcmp(want, frame, len) != 0)
		return differ(err, want, want_len, frame, len);
	return 0;
}
