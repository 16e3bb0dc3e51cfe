/* SPDX-License-Identifier: Apache-2.0 */
#include "pcap.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"

#define MAGIC 0xa1b2c3d4 /* in the order of the machine that wrote it: this one */
#define FRAME_BYTES_MAX 262144

struct file_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, accuracy, snap_length, link_type;
};

struct frame_header {
	uint32_t seconds, micros;
	uint32_t captured, length;
};

int pcap_open(struct pcap *p, const char *path, struct err *err)
{
	p->at = 0;
	p->fd = open(path, O_RDONLY | O_CLOEXEC);
	return p->fd < 0 ? err_errno(err, -errno, "%s", path) : 0;
}

void pcap_close(struct pcap *p)
{
	closep(&p->fd);
	p->fd = -1;
}

static int broken(struct err *err, const struct pcap *p, const char *what)
{
	err_set(err, ERR_INTERNAL, "", "capture, byte %lld: %s", (long long)p->at, what);
	return -EBADMSG;
}

/* 0: the file ends where this begins. */
static int read_whole(struct pcap *p, void *ret, size_t size, struct err *err)
{
	ssize_t n = pread(p->fd, ret, size, p->at);

	if (n < 0)
		return err_errno(err, -errno, "capture");
	if (n == 0)
		return 0;
	if ((size_t)n < size)
		return broken(err, p, "cut off");
	p->at += n;
	return 1;
}

int pcap_next(struct pcap *p, uint8_t **ret, size_t *ret_len, struct err *err)
{
	_cleanup_(freep) uint8_t *frame = NULL;
	struct frame_header h;
	struct file_header f;
	int r = 1;

	if (p->at == 0) {
		r = read_whole(p, &f, sizeof(f), err);
		if (r > 0 && f.magic != MAGIC)
			return broken(err, p, "not the magic number");
	}
	if (r > 0)
		r = read_whole(p, &h, sizeof(h), err);
	if (r <= 0)
		return r;
	if (h.captured != h.length || h.length == 0 || h.length > FRAME_BYTES_MAX)
		return broken(err, p, "length of a frame");
	frame = xmalloc(h.length);
	r = read_whole(p, frame, h.length, err);
	if (r <= 0)
		return r < 0 ? r : broken(err, p, "cut off");
	*ret = take(&frame);
	*ret_len = h.length;
	return 1;
}
