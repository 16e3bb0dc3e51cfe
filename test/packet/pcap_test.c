/* SPDX-License-Identifier: Apache-2.0 */
#include "pcap.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"

static const uint8_t header[] = {
	0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xee, 5, 0, 0, 1, 0, 0, 0
};
static const uint8_t first[] = { 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0, 'a', 'b', 'c' };
static const uint8_t second[] = { 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 'd' };

struct capture {
	char path[32];
	FILE *file;
	struct pcap pcap;
};

static int setup(void **state)
{
	struct capture *c = xcalloc(1, sizeof(*c));
	int fd;

	snprintf(c->path, sizeof(c->path), "/tmp/pcap.XXXXXX");
	fd = mkstemp(c->path);
	c->file = fdopen(fd, "w");
	*state = c;
	return c->file && pcap_open(&c->pcap, c->path, NULL) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	struct capture *c = *state;

	pcap_close(&c->pcap);
	fclose(c->file);
	unlink(c->path);
	free(c);
	return 0;
}

static void append(struct capture *c, const uint8_t *bytes, size_t n)
{
	assert_int_equal(fwrite(bytes, 1, n, c->file), n);
	assert_int_equal(fflush(c->file), 0);
}

static void expect_frame(struct capture *c, const char *bytes)
{
	uint8_t *frame = NULL;
	size_t len = 0;

	assert_int_equal(pcap_next(&c->pcap, &frame, &len, NULL), 1);
	assert_int_equal(len, strlen(bytes));
	assert_memory_equal(frame, bytes, len);
	free(frame);
}

static int next(struct capture *c)
{
	uint8_t *frame = NULL;
	size_t len;
	int r = pcap_next(&c->pcap, &frame, &len, NULL);

	free(frame);
	return r;
}

static void test_follows(void **state)
{
	struct capture *c = *state;

	assert_int_equal(next(c), 0);
	append(c, header, sizeof(header));
	assert_int_equal(next(c), 0);
	append(c, first, sizeof(first));
	append(c, second, sizeof(second));
	expect_frame(c, "abc");
	expect_frame(c, "d");
	assert_int_equal(next(c), 0);
	append(c, first, sizeof(first));
	expect_frame(c, "abc");
}

static void test_cut_off(void **state)
{
	struct capture *c = *state;

	append(c, header, sizeof(header));
	append(c, first, sizeof(first) - 1);
	assert_int_equal(next(c), -EBADMSG);
}

static void test_not_a_capture(void **state)
{
	struct capture *c = *state;

	append(c, first, sizeof(first));
	append(c, first, sizeof(first));
	assert_int_equal(next(c), -EBADMSG);
}

static void test_lengths(void **state)
{
	static const uint8_t huge[] = { 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0x80, 3, 0, 0, 0x80, 'a' };
	struct capture *c = *state;

	append(c, header, sizeof(header));
	append(c, huge, sizeof(huge));
	assert_int_equal(next(c), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_follows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut_off, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_a_capture, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lengths, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
