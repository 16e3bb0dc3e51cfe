/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ebpf/pins.h"

#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

int pins_make(const char *root, const char *dir, struct err *err)
{
	struct statfs fs;

	if (mkdir(root, 0700) && errno != EEXIST)
		return err_errno(err, -errno, "pin directory %s", root);
	if (statfs(root, &fs))
		return err_errno(err, -errno, "pin directory %s", root);
	if (fs.f_type != BPF_FS_MAGIC) {
		rmdir(root);
		return err_errno(err, -EINVAL, "%s is not on a BPF file system (mount -t bpf bpf /sys/fs/bpf)", root);
	}
	if (mkdir(dir, 0700) && errno != EEXIST)
		return err_errno(err, -errno, "pin directory %s", dir);
	return 0;
}

/* A layout's folder: "v" and a number, with pins and nothing else in it. */
static int drop_layout(const char *root, const char *name)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s", root, name);
	struct dirent *e;
	DIR *dir = opendir(path);

	if (!dir)
		return -errno;
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.')
			unlinkat(dirfd(dir), e->d_name, 0);
	closedir(dir);
	return rmdir(path) ? -errno : 0;
}

static int drop_layouts(const char *root, const char *keep)
{
	DIR *dir = opendir(root);
	struct dirent *e;
	int ret = 0, r;

	if (!dir)
		return -errno;
	while ((e = readdir(dir))) {
		if (e->d_name[0] != 'v' || (keep && !strcmp(e->d_name, keep)))
			continue;
		r = drop_layout(root, e->d_name);
		if (r < 0) {
			log_warn("%s/%s: %s", root, e->d_name, strerror(-r));
			ret = r;
		}
	}
	closedir(dir);
	return ret;
}

void pins_drop_others(const char *root, const char *keep)
{
	drop_layouts(root, keep);
}

int pins_remove(const char *root, struct err *err)
{
	int r = drop_layouts(root, NULL);

	if (r == -ENOENT)
		return 0;
	if (r >= 0 && rmdir(root))
		r = -errno;
	return r < 0 ? err_errno(err, r, "pins in %s", root) : 0;
}
