/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The exchange: how the files of a backup come under their names, all or none,
 * whenever the machine stops; and how a backup is removed. For this folder's files
 * only.
 *
 *   1. every new file, the manifest too, is in the folder under a temporary name,
 *      flushed
 *   2. the guest's journal, a small file that lists what is to be renamed and
 *      removed, is flushed and gets its name: this decides
 *   3. files are renamed, the folder is flushed, the manifest is renamed, the
 *      folder is flushed, files that only the old backup had are removed
 *   4. the journal is removed
 *
 * A removal has no new files: its journal is written, the manifest removed, the folder
 * flushed, the files removed.
 *
 * A crash before 2 leaves temporary files, which the next writer removes. A crash
 * after it leaves the journal, and the guest's next writer does 3 again: every step of
 * it may already have been done. The same code does it the first time. Readers don't
 * wait for that: what the journal says is where they find the files.
 *
 * Writers hold the guest's lock (archive/guest_writer.h) for all of it. Two guests
 * whose files could have the same name look at each other's journals and manifests
 * once their own journal is there, so at least one of them sees the other.
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
    /* Of the whole manifest file: of the new one, or of the one that is removed. */
    char manifest_sha256[DIGEST_HEX_SIZE];
    char **removals; /* files of the old backup only */
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
 * and does nothing (corrupt) if not. *ret_begun: something has been renamed or
 * removed, now or earlier; if not, the exchange can be taken back. Set on failure
 * too. */
int exchange_run(const struct folder *folder, const struct exchange *exchange, bool *ret_begun,
                 struct err *err);
/* Removes the journal of an exchange that has not begun: its files are worth nothing
 * from then on. */
int exchange_take_back(const struct folder *folder, const struct exchange *exchange,
                       struct err *err);

/* The journal under that name; *ret_there false: there is none. Corrupt: it is
 * damaged, or another guest's than its name says. */
int exchange_load(const struct folder *folder, const char *journal, struct exchange *ret,
                  bool *ret_there, struct err *err);
/* The guest's journal, under its own name or under that of former versions. A damaged
 * one under the former name may be anybody's: it is not seen. */
int exchange_find(const struct folder *folder, const char *domain, struct exchange *ret,
                  bool *ret_there, struct err *err);
/* True if the exchange puts a file under that name, or removes it. */
bool exchange_mentions(const struct exchange *exchange, const char *name);
/* The temporary name under which a file of the exchange may still be; NULL: none. */
const char *exchange_source(const struct exchange *exchange, const char *name);
