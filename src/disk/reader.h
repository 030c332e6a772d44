/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reads the guest-visible bytes of a disk that no guest uses. Raw files and block devices are read
 * directly, other formats through `qemu-nbd -r` with the format given. The parts of a qcow2 image
 * that a file of its chain contains just as the guest sees them are also read directly. Files,
 * including an image's backing chain, are locked as QEMU locks them for reading, so that no guest
 * can start using them in the meantime (busy if one already does). Block devices cannot be locked
 * against QEMU.
 *
 * A reader must be used by the thread that opened it, and that thread must live as long: its
 * qemu-nbd ends with that thread. The host's page cache is left as it was. Errors begin with the
 * path and name the byte. Calls that wait for qemu-nbd end early (cancelled) when a signal asks us
 * to stop.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "disk/hold.h"
#include "disk/part.h"

struct disk_reader;

/* Refused in addition to what disk_inspect refuses: encrypted images (unsupported). */
int disk_reader_open(const char *path, const char *format, struct disk_reader **ret,
                     struct err *err);
/* The same of a qcow2 image that has a bitmap (disk/bitmap.h): disk_reader_map knows what is the same
 * as when that was begun. Not found: the image does not have it. Corrupt: it is not sound. */
int disk_reader_open_since(const char *path, const char *bitmap, struct disk_reader **ret,
                           struct err *err);
/* Connects to the NBD server listening on that unix socket: QEMU's, for a backup job. Does not wait:
 * busy if the server accepts no connections at the moment. */
int disk_export_connect(const char *socket_path, int *ret_socket, struct err *err);
/* An export of an NBD server: QEMU's, for a backup job. */
struct disk_export {
    const char *path;   /* of the disk, for messages */
    int socket;         /* connected to the server */
    const char *name;   /* of the export */
    const char *bitmap; /* a dirty bitmap that it offers, or NULL */
};
/* Owns the socket from now on, whether or not it succeeds. With a bitmap, disk_reader_map knows
 * what is the same as when that was begun; a server that does not offer it: not found. */
int disk_reader_open_export(const struct disk_export *export, struct disk_reader **ret,
                            struct err *err);
uint64_t disk_reader_size(const struct disk_reader *reader);
/* What is at offset. For block devices everything must be read. */
int disk_reader_map(struct disk_reader *reader, uint64_t offset, struct disk_part *ret,
                    struct err *err);
/* Fills all of data; holes read as zeros. Large reads are fast, because parts of them are read at
 * the same time. */
int disk_reader_read(struct disk_reader *reader, uint64_t offset, void *data, size_t len,
                     struct err *err);
/* The n-th of its holds, counted from 0, with a borrowed descriptor; false: there are no more. The
 * connection of an export is not among them. */
bool disk_reader_hold(const struct disk_reader *reader, size_t n, struct disk_hold *ret);
/* Ends the connection of an export: from now on reading fails. Does nothing for other readers. May
 * be called from another thread, but not at the same time as disk_reader_close. */
void disk_reader_cut(struct disk_reader *reader);
void disk_reader_close(struct disk_reader *reader);
DEFINE_CLEANUP(struct disk_reader *, disk_reader_closep, disk_reader_close)
