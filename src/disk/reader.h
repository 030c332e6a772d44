/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reading the guest-visible bytes of a disk that no guest uses. Raw files and
 * block devices are read directly, other formats through `qemu-nbd -r` with the
 * format named. Of a qcow2 image what lies in the files of its chain as the guest
 * sees it is read directly too. Files are locked as QEMU locks them for reading, so
 * that a guest can't start on them in the middle (busy if one has); block devices
 * can't be locked against QEMU. The backing chain of an image is locked with it.
 *
 * A reader is used by the thread that opened it, which must live as long: its
 * qemu-nbd ends with that thread. The host's page cache is left as it was found.
 * Errors begin with the path and name the byte. Calls that wait for qemu-nbd end
 * early (cancelled) when a signal asks us to stop.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct disk_reader;

/* Refused beside what disk_inspect refuses: encrypted images (unsupported). */
int disk_reader_open(const char *path, const char *format, struct disk_reader **ret,
                     struct err *err);
/* The export of that name of the NBD server that listens on the unix socket at
 * `socket_path`: QEMU's, of a backup job. `path` is for messages. */
int disk_reader_open_export(const char *path, const char *socket_path, const char *export_name,
                            struct disk_reader **ret, struct err *err);
uint64_t disk_reader_size(const struct disk_reader *reader);
/* What starts at offset: *ret_len bytes (at least 1, never beyond the end) that
 * are all known to be zeros (a hole, an unallocated or zero cluster) or that must
 * be read. Block devices: all must be read. */
int disk_reader_map(struct disk_reader *reader, uint64_t offset, uint64_t *ret_len, bool *ret_zero,
                    struct err *err);
/* Fills all of data; what is a hole reads as zeros. Fast for large reads, of which
 * parts are then read at the same time. */
int disk_reader_read(struct disk_reader *reader, uint64_t offset, void *data, size_t len,
                     struct err *err);
/* Ends the connection of an export: reading fails from now on. Does nothing for other
 * readers. May be called from another thread, but not beside disk_reader_close. */
void disk_reader_cut(struct disk_reader *reader);
void disk_reader_close(struct disk_reader *reader);
DEFINE_CLEANUP(struct disk_reader *, disk_reader_closep, disk_reader_close)
