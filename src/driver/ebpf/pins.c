/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/ebpf/pins.h"

#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "driver/ebpf/bpf/layout.h"

/* The kernel lets go of a lock with the last descriptor, also of a process that was killed. */
int pins_hold(const char *root, int *ret_fd, struct err *err)
{
	_cleanup_(closep) int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_errno(err, -errno, "pin directory %s", root);
	if (flock(fd, LOCK_EX | LOCK_NB))
		return err_errno(err, errno == EWOULDBLOCK ? -EBUSY : -errno, "another agent runs with the pins in %s",
				 root);
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int pins_open(const char *root, int *ret_fd, struct err *err)
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
	return pins_hold(root, ret_fd, err);
}

static uint64_t mix(uint64_t hash, const void *bytes, size_t n) /* FNV-1a */
{
	for (const uint8_t *b = bytes; n--; b++)
		hash = (hash ^ *b) * 0x100000001b3;
	return hash;
}

static uint64_t shape(const struct bpf_map *m, uint64_t hash)
{
	const uint32_t words[] = { bpf_map__type(m), bpf_map__key_size(m), bpf_map__value_size(m),
				   bpf_map__max_entries(m), bpf_map__map_flags(m) };

	return mix(mix(hash, bpf_map__name(m), strlen(bpf_map__name(m))), words, sizeof(words));
}

int pins_set(const char *root, struct bpf_object *obj, char **ret_layout, struct err *err)
{
	_cleanup_(freep) char *layout = NULL, *dir = NULL;
	uint64_t hash = 0xcbf29ce484222325;
	struct bpf_map *m;

	bpf_object__for_each_map(m, obj) if (bpf_map__pin_path(m)) hash = shape(m, hash);
	layout = xasprintf(EB_LAYOUT "-%016" PRIx64, hash);
	dir = xasprintf("%s/%s", root, layout);
	if (mkdir(dir, 0700) && errno != EEXIST)
		return err_errno(err, -errno, "pin directory %s", dir);
	bpf_object__for_each_map(m, obj)
	{
		_cleanup_(freep) char *pin = xasprintf("%s/%s", dir, bpf_map__name(m));

		if (bpf_map__pin_path(m) && bpf_map__set_pin_path(m, pin))
			return err_errno(err, -errno, "pin %s", pin);
	}
	*ret_layout = take(&layout);
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

bool pins_any(const char *root)
{
	DIR *dir = opendir(root);
	struct dirent *e;

	if (!dir)
		return false;
	while ((e = readdir(dir)) && e->d_name[0] != 'v')
		;
	closedir(dir);
	return e != NULL;
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
