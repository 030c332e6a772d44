/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Messages with descriptors, over a unix socket to another process of ours (SCM_RIGHTS).
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* The most descriptors of one message. */
#define PASS_MAX 2

/* Sends the message and up to PASS_MAX descriptors, which stay open here; the first one that is -1
 * ends the list. -1 with errno set unless all of it was sent. */
int pass_send(int sock, const void *data, size_t len, const int fds[], size_t fd_count);
/* Receives a message of at most `size` bytes, and its descriptors (close-on-exec): each of fds is
 * set, to -1 where none came, and the caller owns them, whatever the length. Returns that length; 0:
 * the other end is closed; -1 with errno set: failed. */
ssize_t pass_receive(int sock, void *data, size_t size, int fds[], size_t fd_count);
