/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the archive's tests have in common: folders, files and manifests to work
 * with. A failure of one of these fails the test.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "archive/reader.h"
#include "archive/writer.h"
#include "codec/chunks.h"

#include "../record/record_sample.h"

/* The file's bytes with a NUL behind them, or NULL if it is not there. */
char *sample_read(const char *folder, const char *name, size_t *ret_len);
bool sample_exists(const char *folder, const char *name);
/* The names in the folder, sorted, with a blank between them. */
char *sample_names(const char *folder);
void sample_check_names(const char *folder, const char *expected);

struct archive_writer *sample_open_writer(const char *folder);
struct archive_reader *sample_open_reader(const char *folder);
/* Commits a backup of guest `domain` with one file for each target; the bytes of
 * each are "TAG TARGET". Returns what backup_set_commit does. */
int sample_backup(struct archive_writer *writer, const char *domain, const char *uuid,
                  const char *tag, const char *const *targets, bool replace, struct err *err);
/* The same with a writer of its own, and it succeeds. */
void sample_back_up(const char *folder, const char *domain, const char *uuid, const char *tag,
                    const char *const *targets, bool replace);
/* Checks that the archive holds exactly that backup of the guest, whole. */
void sample_check_backup(const char *folder, const char *domain, const char *tag,
                         const char *const *targets);

#define SAMPLE_CHUNK ((size_t)64 << 10)
/* How many chunks are known to be zeros. */
static inline uint64_t sample_zeros(const struct chunk_run *known)
{
    return known->kind == CHUNK_ZERO ? known->count : 0;
}
/* Stores these bytes behind this head the whole way: encode, put, finish. */
void sample_write_image(int fd, const struct codec_spec *spec, const uint8_t *image, size_t len,
                        const char *head, struct manifest_stored *ret);

/* The guests that the archive lists, with a blank between them. */
void sample_check_list(const char *folder, const char *expected);
