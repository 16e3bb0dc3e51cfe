/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * err: the error that a person will read.
 *
 * A function that can fail returns a negative errno and, where somebody outside
 * the program will see the reason, fills the `struct err` it was given as its last
 * argument. It is filled once, where the error arises; callers forward the number
 * unchanged and may only put context in front of the text (err_prefix()).
 * Zero and positive results are outcomes that the direct caller handles.
 *
 *     if (len > NAME_MAX_LEN)
 *             return err_set(err, ERR_BAD_REQUEST, "HTTPBadRequest",
 *                            "Invalid input for name. Reason: ...");
 *
 * `type` is the class name that Neutron puts in NeutronError.type; "" where no
 * API client can see the error. A NULL `err` is accepted everywhere.
 */

enum err_kind {
	ERR_NONE,
	ERR_BAD_REQUEST, /* 400, -EINVAL */
	ERR_UNAUTHORIZED, /* 401, -EACCES */
	ERR_FORBIDDEN, /* 403, -EPERM */
	ERR_NOT_FOUND, /* 404, -ENOENT */
	ERR_CONFLICT, /* 409, -EEXIST */
	ERR_PRECONDITION, /* 412, -ESTALE */
	ERR_TOO_LARGE, /* 413, -EMSGSIZE */
	ERR_INTERNAL, /* 500, -EIO */
	ERR_NOT_IMPLEMENTED, /* 501, -ENOTSUP */
	ERR_UNAVAILABLE, /* 503, -EAGAIN */
};

struct err {
	enum err_kind kind;
	char type[64];
	char text[768];
};

/* Fills *err (replacing what was there) and returns the kind's negative errno. */
int err_set(struct err *err, enum err_kind kind, const char *type, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Like err_set() with kind ERR_INTERNAL; appends strerror(-r) and returns r (negative errno). */
int err_errno(struct err *err, int r, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts "<context>: " in front of the text; returns r unchanged. */
int err_prefix(struct err *err, int r, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
