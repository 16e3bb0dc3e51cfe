/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const int kind_errno[] = {
	[ERR_NONE] = 0,
	[ERR_BAD_REQUEST] = -EINVAL,
	[ERR_UNAUTHORIZED] = -EACCES,
	[ERR_FORBIDDEN] = -EPERM,
	[ERR_NOT_FOUND] = -ENOENT,
	[ERR_CONFLICT] = -EEXIST,
	[ERR_PRECONDITION] = -ESTALE,
	[ERR_TOO_LARGE] = -EMSGSIZE,
	[ERR_INTERNAL] = -EIO,
	[ERR_NOT_IMPLEMENTED] = -ENOTSUP,
	[ERR_UNAVAILABLE] = -EAGAIN,
};

int err_set(struct err *err, enum err_kind kind, const char *type, const char *fmt, ...)
{
	if (err) {
		va_list ap;

		err->kind = kind;
		if (type != err->type) /* may be said again */
			snprintf(err->type, sizeof(err->type), "%s", type ? type : "");
		va_start(ap, fmt);
		vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
	}
	return kind_errno[kind];
}

int err_errno(struct err *err, int r, const char *fmt, ...)
{
	char text[sizeof(err->text)];
	va_list ap;

	if (!err)
		return r;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(err, ERR_INTERNAL, "", "%.600s: %s", text, strerror(-r));
	return r;
}

int err_prefix(struct err *err, int r, const char *fmt, ...)
{
	char context[256], text[sizeof(err->text)];
	va_list ap;

	if (!err)
		return r;
	va_start(ap, fmt);
	vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
	snprintf(text, sizeof(text), "%s: %.500s", context, err->text);
	memcpy(err->text, text, sizeof(text));
	return r;
}
