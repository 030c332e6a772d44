/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the archive's tests have in common: folders, files and manifests to work
 * with. A failure of one of these fails the test.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "archive/manifest.h"
#include "archive/reader.h"
#include "archive/writer.h"

#define SAMPLE_UUID "2f6a3c1e-8d54-4b7f-9c0a-1d2e3f405162"
#define OTHER_UUID "2f6a3c1e-8d54-4b7f-9c0a-1d2e3f405163"

/* A new empty folder; the caller removes it with sample_remove_folder, which
 * frees the path too. */
char *sample_folder(void);
void sample_remove_folder(char *path);

void sample_write(const char *folder, const char *name, const void *data, size_t len);
/* The file's bytes with a NUL behind them, or NULL if it is not there. */
char *sample_read(const char *folder, const char *name, size_t *ret_len);
bool sample_exists(const char *folder, const char *name);
/* The names in the folder, sorted, with a blank between them. */
char *sample_names(const char *folder);
void sample_check_names(const char *folder, const char *expected);

/* A guest that was shut off, without a file. */
struct manifest *sample_manifest(const char *domain, const char *uuid);
/* A raw disk of this guest whose stored file is these bytes. */
struct manifest_disk *sample_add_disk(struct manifest *manifest, const char *target,
                                      const void *data, size_t len);
/* Every element, every attribute. */
struct manifest *sample_full_manifest(void);
char *sample_format(const struct manifest *manifest, size_t *ret_len);

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
/* Stores these bytes behind this head the whole way: encode, put, finish. */
void sample_write_image(int fd, const struct codec_spec *spec, const uint8_t *image, size_t len,
                        const char *head, struct manifest_stored *ret);

/* The guests that the archive lists, with a blank between them. */
void sample_check_list(const char *folder, const char *expected);

/* CHECK is assert_int_equal(call, 0) that shows the error. */
#define CHECK(call, err)                                                                           \
    do {                                                                                           \
        if ((call) != 0)                                                                           \
            fail_msg("%s: %s", #call, (err)->text);                                                \
    } while (0)
/* The call fails with this kind and a text that holds `part`. */
#define CHECK_FAILS(call, err, expected_kind, part)                                                \
    do {                                                                                           \
        assert_int_equal((call), -1);                                                              \
        sample_check_error((err), (expected_kind), (part));                                        \
    } while (0)
void sample_check_error(struct err *err, enum err_kind kind, const char *part);
