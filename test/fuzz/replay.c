/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "fuzz.h"

/* Feeds each file of the directories named to the parser; whole, and cut short at every length up to 2,000 bytes. TAP.
 */

#define MAX_FILE (8U << 20)
#define MAX_CUTS 2000

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
