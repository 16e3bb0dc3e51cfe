/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/snapshot.h"
#include "base/err.h"
#include "base/mem.h"

struct journal {
	char *path;
	int fd; /* -1: nothing is kept */
	UT_string *frame; /* came since the last one */
};

/* ---- writing ---- */

static int put(struct journal *j, struct err *err)
{
	size_t n = utstring_len(j->frame);
	ssize_t w;

	do
		w = write(j->fd, utstring_body(j->frame), n);
	while (w < 0 && errno == EINTR);
	utstring_clear(j->frame);
	if (w == (ssize_t)n)
		return 0;
	/* What follows half a frame would not be read. */
	close(j->fd);
	j->fd = -1;
	return err_errno(err, w < 0 ? -errno : -ENOSPC, "%s", j->path);
}

int journal_restart(struct journal *j, const char *incarnation, struct err *err)
{
	struct message head = { .kind = MESSAGE_WELCOME, .welcome = { .proto = MESSAGE_PROTO, .mode = "resume" } };

	closep(&j->fd);
	j->fd = open(j->path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	if (j->fd < 0)
		return err_errno(err, -errno, "%s", j->path);
	memcpy(head.welcome.incarnation, incarnation, sizeof(head.welcome.incarnation));
	utstring_clear(j->frame);
	message_encode(&head, j->frame);
	return put(j, err);
}

int journal_note(struct journal *j, const struct message *m, struct err *err)
{
	if (j->fd < 0)
		return 0;
	message_encode(m, j->frame);
	return m->kind == MESSAGE_FRAME ? put(j, err) : 0;
}

void journal_forget_half(struct journal *j)
{
	utstring_clear(j->frame);
}

struct journal *journal_new(const char *path)
{
	struct journal *j = xcalloc(1, sizeof(*j));

	j->path = xstrdup(path);
	j->fd = -1;
	utstring_new(j->frame);
	return j;
}

struct journal *journal_free(struct journal *j)
{
	if (!j)
		return NULL;
	closep(&j->fd);
	utstring_free(j->frame);
	free(j->path);
	free(j);
	return NULL;
}

/* ---- reading ---- */

/* 0, with the line's end; -ENODATA: a torn tail, or nothing more. */
static int next_line(const char *text, const char *end, size_t *ret_len)
{
	const char *newline = text < end ? memchr(text, '\n', (size_t)(end - text)) : NULL;

	if (!newline)
		return -ENODATA;
	*ret_len = (size_t)(newline - text);
	return 0;
}

static bool is_head(const char *line, size_t len, const char *incarnation)
{
	struct message m;
	bool yes;

	if (message_decode(MESSAGE_SERVER, line, len, &m, NULL) != 0)
		return false;
	yes = m.kind == MESSAGE_WELCOME && strcmp(m.welcome.incarnation, incarnation) == 0;
	message_fini(&m);
	return yes;
}

/* From the end of one frame to the end of the next: 0, and where it ends and what its position is. */
static int next_frame(const char *text, const char *end, const char **ret_end, uint64_t *ret_position, struct err *err)
{
	static const char mark[] = "{\"frame\":";
	size_t len;

	while (next_line(text, end, &len) == 0) {
		struct message m;
		int r;

		if (len < strlen(mark) || memcmp(text, mark, strlen(mark)) != 0) {
			text += len + 1;
			continue;
		}
		r = message_decode(MESSAGE_SERVER, text, len, &m, err);
		if (r != 0)
			return r < 0 ? r : -EINVAL;
		*ret_position = m.frame.position;
		*ret_end = text + len + 1;
		message_fini(&m);
		return 0;
	}
	return -ENODATA;
}

static int hand_over(const char *text, const char *end, journal_fn fn, void *arg, struct err *err)
{
	size_t len;
	int r = 0;

	while (r == 0 && next_line(text, end, &len) == 0) {
		struct message m;

		if ((r = message_decode(MESSAGE_SERVER, text, len, &m, err)) < 0)
			break;
		if (r == 0) {
			r = fn(&m, err, arg);
			message_fini(&m);
		}
		text += len + 1;
	}
	return r;
}

int journal_parse(const char *text, size_t len, const char *incarnation, uint64_t position, journal_fn fn, void *arg,
		  struct err *err)
{
	const char *end = text + len, *at;
	uint64_t of;
	size_t head;
	int n = 0, r;

	if (next_line(text, end, &head) < 0 || !is_head(text, head, incarnation))
		return 0;
	for (text += head + 1; (r = next_frame(text, end, &at, &of, err)) == 0; text = at) {
		if (of <= position)
			continue;
		if ((r = hand_over(text, at, fn, arg, err)) < 0)
			return r;
		n++;
	}
	return r == -ENODATA ? n : r;
}

int journal_replay(const char *path, const char *incarnation, uint64_t position, journal_fn fn, void *arg,
		   struct err *err)
{
	_cleanup_(freep) char *text = NULL;
	size_t len = 0;
	int r = snapshot_read_file(path, &text, &len, err);

	if (r < 0)
		return r;
	r = journal_parse(text, len, incarnation, position, fn, arg, err);
	return r < 0 ? err_prefix(err, r, "%s", path) : r;
}
