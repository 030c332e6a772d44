/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The exchange: how the files of a backup come under their names, all or none,
 * whenever the machine stops. For this folder's files only.
 *
 *   1. every new file, the manifest too, is in the folder under a temporary name,
 *      flushed
 *   2. the journal, a small file that lists what is to be renamed and removed, is
 *      flushed and gets its name: this decides
 *   3. files are renamed, the folder is flushed, the manifest is renamed, the
 *      folder is flushed, files that only the old backup had are removed
 *   4. the journal is removed
 *
 * A crash before 2 leaves temporary files, which the next writer removes. A crash
 * after it leaves the journal, and the next writer does 3 again: every step of it
 * may already have been done. The same code does it the first time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "archive/folder.h"
#include "base/buf.h"
#include "base/err.h"

#define EXCHANGE_JOURNAL_NAME ".virt-backup-exchange"
#define EXCHANGE_JOURNAL_MAX ((size_t)1 << 20)

struct exchange_file {
    char *from; /* temporary name */
    char *to;
    uint64_t size;
};

struct exchange { /* all text owned */
    char *domain;
    struct exchange_file *files;
    size_t file_count;
    char *manifest_from;
    char manifest_sha256[DIGEST_HEX_SIZE]; /* of the whole manifest file */
    char **removals;                       /* files of the old backup only */
    size_t removal_count;
};

void exchange_add_file(struct exchange *exchange, const char *from, const char *to, uint64_t size);
void exchange_add_removal(struct exchange *exchange, const char *name);
void exchange_clear(struct exchange *exchange);
#define CLEANUP_EXCHANGE CLEANUP(exchange_clear)

/* Text of the journal, and back. exchange_parse takes nothing that exchange_format
 * would not write: checksum, order, temporary names, names that belong to the
 * guest, none twice (corrupt). */
int exchange_format(const struct exchange *exchange, struct buf *ret, struct err *err);
int exchange_parse(const char *text, size_t len, struct exchange *ret, struct err *err);

/* Step 2; temp_name is where the journal is written first. On failure nothing is
 * decided. */
int exchange_decide(const struct folder *folder, const struct exchange *exchange,
                    const char *temp_name, struct err *err);
/* Steps 3 and 4. Looks first whether all files are there, new or already renamed,
 * and does nothing (corrupt) if not. */
int exchange_run(const struct folder *folder, const struct exchange *exchange, struct err *err);

int exchange_pending(const struct folder *folder, bool *ret_pending, struct err *err);
/* Finishes the exchange whose journal is in the folder, if one is. */
int exchange_finish(const struct folder *folder, struct err *err);
