/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "fuzz.h"

/*
 * Feeds each file of the directories named to the parser: whole, cut short at every length up to 2,000 bytes, and
 * 1,000 times with some bytes changed, always the same ones. TAP.
 */

#define MAX_FILE (8U << 20)
#define MAX_CUTS 2000
#define MUTATIONS 1000
#define MAX_MUTATED 4096 /* bytes of a file */
#define SEED 1

/* A byte becomes a likely one, has a bit turned, or is doubled or left out with all behind it moved. */
static void mutate(uint8_t *data, size_t n, unsigned *seed)
{
	static const uint8_t likely[] = { 0, 1, 7, 8, 0x7f, 0x80, 0xfe, 0xff };
	size_t at = (size_t)rand_r(seed) % n;

	switch (rand_r(seed) % 4) {
	case 0:
		data[at] = likely[(size_t)rand_r(seed) % N_ELEMENTS(likely)];
		break;
	case 1:
		data[at] ^= (uint8_t)(1 << rand_r(seed) % 8);
		break;
	case 2:
		memmove(data + at, data + at + 1, n - at - 1);
		break;
	default:
		memmove(data + at + 1, data + at, n - at - 1);
		break;
	}
}

static void replay_mutated(const uint8_t *data, size_t n)
{
	unsigned seed = SEED;

	for (int i = 0; i < MUTATIONS && n > 0 && n <= MAX_MUTATED; i++) {
		size_t part_n = rand_r(&seed) % 4 ? n : 1 + (size_t)rand_r(&seed) % n;
		_cleanup_(freep) uint8_t *part = xmemdup(data, part_n);

		for (int changes = 1 + rand_r(&seed) % 4; changes > 0; changes--)
			mutate(part, part_n, &seed);
		LLVMFuzzerTestOneInput(part, part_n);
	}
}

static int replay(const char *path)
{
	_cleanup_(freep) uint8_t *data = NULL;
	FILE *f = fopen(path, "rb");
	struct stat st;
	size_t n;

	if (!f || fstat(fileno(f), &st) < 0 || st.st_size > MAX_FILE)
		return -1;
	data = xmalloc((size_t)st.st_size);
	n = fread(data, 1, (size_t)st.st_size, f);
	fclose(f);
	for (size_t cut = 0; cut < n && cut < MAX_CUTS; cut++) {
		/* Of its own size, so that reading behind the end is seen. */
		_cleanup_(freep) uint8_t *part = xmemdup(data, cut);

		LLVMFuzzerTestOneInput(part, cut);
	}
	LLVMFuzzerTestOneInput(data, n);
	replay_mutated(data, n);
	return 0;
}

int main(int argc, char **argv)
{
	int number = 0, failed = 0;

	for (int i = 1; i < argc; i++) {
		DIR *dir = opendir(argv[i]);
		struct dirent *e;

		while (dir && (e = readdir(dir))) {
			_cleanup_(freep) char *path = xasprintf("%s/%s", argv[i], e->d_name);
			int r;

			if (e->d_name[0] == '.')
				continue;
			r = replay(path);
			failed += r < 0;
			printf("%sok %d - %s\n", r < 0 ? "not " : "", ++number, path);
		}
		if (dir)
			closedir(dir);
	}
	printf("1..%d\n", number);
	return failed || number == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
