/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Internal to this folder: one NBD connection, through libnbd, which only this module uses. Large
 * reads and writes are split into pieces, several of which are in flight at once. A wait ends early
 * (cancelled) when a signal asks us to stop, and fails when the server has said nothing for ten
 * minutes; after either, and after a lost connection, every call fails.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "disk/part.h"

struct nbd_link;

/* Does the handshake on a connected socket, which it owns from now on, whether or not it succeeds,
 * and asks for the export of that name ("": the server's only one), with that dirty bitmap (NULL:
 * none; a server that does not have it: not found). Blocks until the server has opened its image. */
int nbd_link_open(int socket, const char *export_name, const char *bitmap, struct nbd_link **ret,
                  struct err *err);
uint64_t nbd_link_size(const struct nbd_link *link);

/* Sends data, of which it keeps a copy, and waits for no answer unless too much is in flight. Errors of
 * earlier writes may be returned here. */
int nbd_link_write(struct nbd_link *link, uint64_t offset, const void *data, size_t len,
                   struct err *err);
/* Reads and waits for the result. */
int nbd_link_fetch(struct nbd_link *link, uint64_t offset, void *data, size_t len, struct err *err);
/* Waits for all writes, and makes them durable. The error names the lowest offset that failed. */
int nbd_link_flush(struct nbd_link *link, struct err *err);

/* What is known (base:allocation, qemu:dirty-bitmap) from offset on. Answers are cached, so asking
 * for adjacent offsets costs nothing. */
int nbd_link_map(struct nbd_link *link, uint64_t offset, struct disk_part *ret, struct err *err);

/* The connection can no longer be used: the server has ended, or we stopped waiting. */
bool nbd_link_is_lost(const struct nbd_link *link);
/* Tells the server that we disconnect, and waits at most a second for it to do so too; signals are
 * ignored. */
int nbd_link_shutdown(struct nbd_link *link, struct err *err);
/* Cuts the connection: everything that waits for it fails. The only call that another thread may
 * make while one of the others is in progress. */
void nbd_link_cut(const struct nbd_link *link);
void nbd_link_free(struct nbd_link *link);
DEFINE_CLEANUP(struct nbd_link *, nbd_link_freep, nbd_link_free)
