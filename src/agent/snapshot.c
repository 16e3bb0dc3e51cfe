/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

#define VERSION 1
#define MAX_FILE (256U << 20)

/* ---- writing ---- */

static void encode_object(const struct object *o, void *arg)
{
	UT_string *out = arg;
	struct jw w = jw_init(out);

	object_encode(o, &w);
	utstring_bincpy(out, "\n", 1);
}

static void encode(const struct snapshot_head *head, const struct model *m, UT_string *out)
{
	struct jw w = jw_init(out);

	jw_object(&w);
	jw_kv_uint(&w, "version", VERSION);
	jw_kv_string(&w, "host", head->host);
	jw_kv_string(&w, "incarnation", head->incarnation);
	jw_kv_uint(&w, "position", head->position);
	jw_end_object(&w);
	utstring_bincpy(out, "\n", 1);
	model_each(m, encode_object, out);
	utstring_printf(out, "{\"end\":%zu}\n", model_count(m));
}

static int write_all(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, bytes, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		bytes += w;
		n -= (size_t)w;
	}
	return 0;
}

/* The rename itself must reach the disk too. */
static int sync_dir(const char *path)
{
	_cleanup_(freep) char *copy = xstrdup(path);
	_cleanup_(closep) int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

int snapshot_save(const char *path, const struct snapshot_head *head, const struct model *m, struct err *err)
{
	_cleanup_(freep) char *beside = xasprintf("%s.new", path);
	_cleanup_(utstring_freep) UT_string *text = NULL;
	_cleanup_(closep) int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return err_errno(err, -errno, "%s", beside);
	utstring_new(text);
	encode(head, m, text);
	r = write_all(fd, utstring_body(text), utstring_len(text));
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && rename(beside, path) < 0)
		r = -errno;
	if (r == 0)
		r = sync_dir(path);
	return r < 0 ? err_errno(err, r, "%s", path) : 0;
}

/* ---- reading ---- */

int snapshot_read_file(const char *path, char **ret, size_t *ret_len, struct err *err)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_(freep) char *text = NULL;
	size_t n = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, -errno, "%s", path);
	if (st.st_size > MAX_FILE)
		return err_set(err, ERR_TOO_LARGE, "", "%s: too big", path);
	text = xmalloc((size_t)st.st_size + 1);
	while (n < (size_t)st.st_size) {
		ssize_t got = read(fd, text + n, (size_t)st.st_size - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, -errno, "%s", path);
		if (got == 0)
			break;
		n += (size_t)got;
	}
	text[n] = '\0';
	*ret = take(&text);
	*ret_len = n;
	return 0;
}

static int decode_head(const json_t *json, struct snapshot_head *ret, struct err *err)
{
	const json_t *position = json_object_get(json, "position");
	const char *host, *incarnation;
	uint32_t version;
	int r;

	memset(ret, 0, sizeof(*ret));
	r = json_get_u32(json, "version", &version, err);
	if (r < 0)
		return r;
	if (version != VERSION)
		return err_set(err, ERR_BAD_REQUEST, "", "version %u is not known", version);
	r = json_get_string(json, "host", &host, err);
	if (r < 0)
		return r;
	r = json_get_string(json, "incarnation", &incarnation, err);
	if (r < 0)
		return r;
	if (strlen(host) >= sizeof(ret->host) || strlen(incarnation) != sizeof(ret->incarnation) - 1 ||
	    !json_is_integer(position) || json_integer_value(position) < 0)
		return err_set(err, ERR_BAD_REQUEST, "", "host, incarnation or position is out of range");
	memcpy(ret->host, host, strlen(host) + 1);
	memcpy(ret->incarnation, incarnation, sizeof(ret->incarnation));
	ret->position = (uint64_t)json_integer_value(position);
	return 0;
}

/* One line: 0 to go on, 1 at the end line. */
static int parse_line(char *line, size_t len, struct snapshot_head *head, struct model *m, struct err *err)
{
	_cleanup_(json_decrefp) json_t *json = NULL;
	const json_t *end;
	struct object o;
	int r;

	r = json_read(line, len, &json, err);
	if (r < 0)
		return r;
	if (!head->incarnation[0])
		return decode_head(json, head, err);
	end = json_object_get(json, "end");
	if (end && json_integer_value(end) != (json_int_t)model_count(m))
		return err_set(err, ERR_BAD_REQUEST, "", "objects are missing");
	if (end)
		return 1;
	r = object_decode(json, &o, err);
	if (r == 0)
		model_set(m, &o);
	return r;
}

int snapshot_parse(char *text, size_t len, struct snapshot_head *ret_head, struct model **ret, struct err *err)
{
	struct model *m = model_new();
	unsigned number = 0;
	int r = 0;

	memset(ret_head, 0, sizeof(*ret_head));
	while (r == 0) {
		char *end = len > 0 ? memchr(text, '\n', len) : NULL;
		size_t n = end ? (size_t)(end - text) : 0;

		if (!end) {
			r = err_set(err, ERR_BAD_REQUEST, "", "it has no end");
			break;
		}
		number++;
		*end = '\0';
		r = parse_line(text, n, ret_head, m, err);
		text += n + 1;
		len -= n + 1;
	}
	if (r < 0) {
		model_free(m);
		return err_prefix(err, r, "line %u", number);
	}
	*ret = m;
	return 0;
}

int snapshot_load(const char *path, struct snapshot_head *ret_head, struct model **ret, struct err *err)
{
	_cleanup_(freep) char *text = NULL;
	size_t len = 0;
	int r = snapshot_read_file(path, &text, &len, err);

	if (r < 0)
		return r;
	r = snapshot_parse(text, len, ret_head, ret, err);
	return r < 0 ? err_prefix(err, r, "%s", path) : 0;
}
