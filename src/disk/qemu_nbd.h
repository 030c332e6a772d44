/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Internal to this folder: a qemu-nbd process that serves one image only to us, over a socket that
 * nobody else can reach. We start it ourselves instead of through libnbd so that its messages on
 * stderr ("is locked") reach the user, and that Ctrl-C on the terminal does not end it while we
 * need it. It ends when the thread that started it does.
 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/err.h"

struct qemu_nbd;

struct qemu_nbd_image {
    const char *path;        /* absolute, or relative to a folder, beginning with "./" */
    const char *qemu_format; /* from the table of formats */
    bool in_folder;          /* the path is relative to this folder: */
    int folder_fd;           /* borrowed */
    bool read_only;
    bool direct;        /* bypass the page cache */
    const char *bitmap; /* of the image, that is offered; NULL: none */
};

/* *ret_socket is connected; the caller owns it. If qemu-nbd cannot open the image, it closes its
 * end of the socket: then call qemu_nbd_explain. */
int qemu_nbd_start(const struct qemu_nbd_image *image, struct qemu_nbd **ret, int *ret_socket,
                   struct err *err);
/* Borrowed; -1: there is none. */
int qemu_nbd_pidfd(const struct qemu_nbd *server);
/* Call this if the connection failed: if qemu-nbd has reported why, that replaces *err (which is
 * set). Waits briefly for its end. Returns -1. */
int qemu_nbd_explain(struct qemu_nbd *server, struct err *err);
/* Call this after shutting the connection down: waits for qemu-nbd to end. An error if it failed,
 * or did not end (then it is killed). Frees the server in any case. */
int qemu_nbd_finish(struct qemu_nbd *server, struct err *err);
/* Kills it if it is running, and reaps it. Accepts NULL. */
void qemu_nbd_free(struct qemu_nbd *server);
DEFINE_CLEANUP(struct qemu_nbd *, qemu_nbd_freep, qemu_nbd_free)
