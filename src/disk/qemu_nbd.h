/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Internal to this folder: a qemu-nbd process that serves one image to us alone,
 * over a socket that nobody else can reach. It is started by ourselves rather
 * than by libnbd so that what it says on stderr ("is locked") reaches the user,
 * that Ctrl-C on the terminal does not take it away under us, and that it ends
 * with us. It ends when the thread that started it does.
 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/err.h"

struct qemu_nbd;

struct qemu_nbd_image {
    const char *path;        /* absolute, or from within a folder, beginning with "./" */
    const char *qemu_format; /* from the table of formats */
    bool in_folder;          /* the path is from within this one: */
    int folder_fd;           /* borrowed */
    bool read_only;
    bool direct; /* around the page cache */
};

/* *ret_socket is connected; the caller's. An image that qemu-nbd can't open shows
 * itself as a socket that is closed by the peer: then ask qemu_nbd_explain. */
int qemu_nbd_start(const struct qemu_nbd_image *image, struct qemu_nbd **ret, int *ret_socket,
                   struct err *err);
/* The connection failed: if qemu-nbd has said why, that takes the place of *err
 * (which is set). Waits shortly for its end. Returns -1. */
int qemu_nbd_explain(struct qemu_nbd *server, struct err *err);
/* After the connection was shut down, waits for its end. An error if it did not
 * exit well, or not at all (then it is killed). Frees the server either way. */
int qemu_nbd_finish(struct qemu_nbd *server, struct err *err);
/* Kills it if it runs, and reaps it. Accepts NULL. */
void qemu_nbd_free(struct qemu_nbd *server);
DEFINE_CLEANUP(struct qemu_nbd *, qemu_nbd_freep, qemu_nbd_free)
