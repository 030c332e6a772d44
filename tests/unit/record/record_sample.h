/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the tests of manifests and of archives have in common: a folder, manifests to work
 * with, checks. A failure of one of these fails the test.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "record/manifest.h"

#define SAMPLE_UUID "2f6a3c1e-8d54-4b7f-9c0a-1d2e3f405162"
#define OTHER_UUID "2f6a3c1e-8d54-4b7f-9c0a-1d2e3f405163"

/* A new empty folder; the caller removes it with sample_remove_folder, which
 * frees the path too. */
char *sample_folder(void);
void sample_remove_folder(char *path);

void sample_write(const char *folder, const char *name, const void *data, size_t len);
/* A whole file, with a NUL behind its bytes; the caller frees. */
char *sample_load(const char *folder, const char *name, size_t *ret_len);

/* A guest that was shut off, without a file. */
struct manifest *sample_manifest(const char *domain, const char *uuid);
/* A raw disk of this guest whose stored file is these bytes. */
struct manifest_disk *sample_add_disk(struct manifest *manifest, const char *target,
                                      const void *data, size_t len);
/* Every element, every attribute. */
struct manifest *sample_full_manifest(void);
/* A key of a host. */
extern const struct seal_key sample_key;
char *sample_format(const struct manifest *manifest, size_t *ret_len);

/* The text with one piece replaced and the digest made right again: what is left
 * is for the other checks to find. */
char *sample_forge(const char *text, const char *from, const char *to);
/* Such a text is refused. */
void sample_check_forged(const char *text, const char *from, const char *to, enum err_kind kind,
                         const char *part);
struct sample_forgery {
    const char *from, *to;
    const char *part; /* of the error */
};
/* Makes each of these changes to the manifest's text, one at a time: it is corrupt. */
void sample_check_forgeries(const struct manifest *manifest, const struct sample_forgery *forgeries,
                            size_t count);
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
