/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The exchange: how the files of a backup get their names, all or none, even if the
 * machine stops in the middle; and how a backup is removed. Only for the files in this
 * directory.
 *
 *   1. every new file, including the manifest, is in the folder under a temporary name,
 *      flushed
 *   2. the guest's journal, a small file that lists what to rename and remove, is
 *      flushed and gets its name: this is the commit
 *   3. files are renamed, the folder is flushed, the manifest is renamed, the
 *      folder is flushed, files that only the old backup had are removed
 *   4. the journal is removed
 *
 * A removal has no new files: its journal is written, the manifest removed, the folder
 * flushed, the files removed.
 *
 * A crash before 2 leaves temporary files, which the next writer removes. A crash
 * after 2 leaves the journal, and the guest's next writer does 3 again, some steps of
 * which may already have been done. The same code runs the first time. Readers need not
 * wait for that: the journal tells them where the files are.
 *
 * Writers hold the guest's lock (archive/tidy.h) throughout. Writers of two guests whose
 * files could have the same name check each other's journals and manifests after
 * writing their own journal, so at least one of them sees the other.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "archive/folder.h"
#include "base/buf.h"
#include "base/err.h"

#define EXCHANGE_JOURNAL_MAX ((size_t)1 << 20)

struct exchange_file {
    char *from; /* temporary name */
    char *to;
    uint64_t size;
};

struct exchange {  /* all text owned */
    char *journal; /* the journal's name in the folder */
    char *domain;
    struct exchange_file *files;
    size_t file_count;
    char *manifest_from; /* NULL: the backup is removed, and there are no files */
    /* Of the whole manifest file: the new one, or the one to be removed. */
    char manifest_sha256[DIGEST_HEX_SIZE];
    char **removals; /* files of the old backup only */
    size_t removal_count;
};

void exchange_add_file(struct exchange *exchange, const char *from, const char *to, uint64_t size);
void exchange_add_removal(struct exchange *exchange, const char *name);
void exchange_clear(struct exchange *exchange);
#define CLEANUP_EXCHANGE CLEANUP(exchange_clear)

/* Text of the journal, and back. exchange_parse accepts only what exchange_format would
 * write (else corrupt): checksum, order, temporary names, names that belong to the
 * guest, no duplicates. */
int exchange_format(const struct exchange *exchange, struct buf *ret, struct err *err);
int exchange_parse(const char *text, size_t len, struct exchange *ret, struct err *err);

/* Step 2; the journal is first written as temp_name. On failure nothing is committed. */
int exchange_decide(const struct folder *folder, const struct exchange *exchange,
                    const char *temp_name, struct err *err);
/* Steps 3 and 4. First checks that all files exist, new or already renamed, and does
 * nothing (corrupt) if not. *ret_begun: something has been renamed or removed, now or
 * earlier; if not, the exchange can be cancelled. Set on failure too. */
int exchange_run(const struct folder *folder, const struct exchange *exchange, bool *ret_begun,
                 struct err *err);
/* Removes the journal of an exchange that has not begun: from then on its files are
 * worthless. */
int exchange_take_back(const struct folder *folder, const struct exchange *exchange,
                       struct err *err);

/* Loads the journal of that name; *ret_there false: there is none. Corrupt: it is
 * damaged, or does not belong to the guest that its name says. */
int exchange_load(const struct folder *folder, const char *journal, struct exchange *ret,
                  bool *ret_there, struct err *err);
/* Finds the guest's journal, under its own name or that of earlier versions. A damaged
 * one under the old name may be anybody's, so it is ignored. */
int exchange_find(const struct folder *folder, const char *domain, struct exchange *ret,
                  bool *ret_there, struct err *err);
/* True if the exchange makes or removes a file of that name. */
bool exchange_mentions(const struct exchange *exchange, const char *name);
/* The temporary name that a file of the exchange may still have; NULL: none. */
const char *exchange_source(const struct exchange *exchange, const char *name);
