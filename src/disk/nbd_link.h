/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Internal to this folder: one NBD connection, by libnbd, which stays behind this
 * header. Large reads and writes are cut into pieces of which several are under way
 * at once. Waiting ends early (cancelled) when a signal asks us to stop, and when the
 * server has said nothing for ten minutes; after that, and after a lost connection, every call
 * fails.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct nbd_link;

/* Shakes hands on a connected socket, which it owns from now on, in success and
 * failure, and asks for the export of that name ("": the server's only one). Blocks
 * until the server has opened its image. */
int nbd_link_open(int socket, const char *export_name, struct nbd_link **ret, struct err *err);
uint64_t nbd_link_size(const struct nbd_link *link);

/* Queue parts of a transfer; the memory is borrowed until nbd_link_settle. They
 * block only while too much is under way. Errors of earlier parts may show here. */
int nbd_link_read(struct nbd_link *link, uint64_t offset, void *data, size_t len, struct err *err);
int nbd_link_write(struct nbd_link *link, uint64_t offset, const void *data, size_t len,
                   struct err *err);
/* Waits for all that was queued. The error names the lowest offset that failed. To be
 * called after a failed read or write too. */
int nbd_link_settle(struct nbd_link *link, struct err *err);
/* Reads and waits for it. */
int nbd_link_fetch(struct nbd_link *link, uint64_t offset, void *data, size_t len, struct err *err);
int nbd_link_flush(struct nbd_link *link, struct err *err);

/* What is known (base:allocation) from offset on; at least 1 byte, never beyond the
 * end. Answers are kept, so that asking for adjacent offsets costs nothing. */
int nbd_link_map(struct nbd_link *link, uint64_t offset, uint64_t *ret_len, bool *ret_zero,
                 struct err *err);

/* The connection is of no more use: the server has ended, or we stopped waiting. */
bool nbd_link_is_lost(const struct nbd_link *link);
/* Tells the server that we leave; waits for a second at most until it has left too, whatever
 * signal comes. */
int nbd_link_shutdown(struct nbd_link *link, struct err *err);
/* Cuts the connection: all that waits for it fails. The only call that another
 * thread may make while one of the others is under way. */
void nbd_link_cut(const struct nbd_link *link);
void nbd_link_free(struct nbd_link *link);
DEFINE_CLEANUP(struct nbd_link *, nbd_link_freep, nbd_link_free)
