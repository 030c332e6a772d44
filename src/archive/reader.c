/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/reader.h"

#include <string.h>

#include "archive/claims.h"
#include "archive/exchange.h"
#include "archive/folder.h"
#include "archive/names.h"
#include "base/array.h"
#include "base/lock_file.h"
#include "base/log.h"
#include "base/text.h"

struct archive_reader {
    struct folder folder;
};

/* ---- unfinished exchanges ---------------------------------------------------------- */

static bool is_at_work(const struct folder *folder, const char *domain)
{
    char key[ARCHIVE_KEY_SIZE];

    archive_guest_key(domain, key);
    CLEANUP_FREE char *lock = archive_lock_name(key);
    return lock_file_is_held(folder->fd, lock);
}

static void tell_of_exchange(const struct folder *folder, const char *journal)
{
    CLEANUP_EXCHANGE struct exchange exchange = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    bool there = false;

    if (exchange_load(folder, journal, &exchange, &there, &err) < 0)
        log_warn("%s: a backup was interrupted while its files were being put in place; see "
                 "INTERRUPTED BACKUPS in virt-backup-archive(5)",
                 err.text);
    else if (there && !is_at_work(folder, exchange.domain))
        log_warn_guest(exchange.domain,
                       "its backup was interrupted while its files were being %s; the next "
                       "backup to %s will finish that",
                       exchange.manifest_from ? "put in place" : "removed", folder->path);
}

static int tell_of_exchanges(const struct folder *folder, struct err *err)
{
    CLEANUP_STRINGS struct strings names = {0};

    if (folder_names(folder, &names, err) < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++)
        if (archive_own_kind(names.items[i], NULL) == ARCHIVE_OWN_JOURNAL)
            tell_of_exchange(folder, names.items[i]);
    return 0;
}

int archive_reader_open(const char *path, const struct parser *parser, struct archive_reader **ret,
                        struct err *err)
{
    CLEANUP(archive_reader_closep) struct archive_reader *archive = mem_alloc(sizeof(*archive));

    archive->folder = FOLDER_INIT;
    if (folder_open(path, parser, &archive->folder, err) < 0 ||
        tell_of_exchanges(&archive->folder, err) < 0)
        return -1;
    *ret = TAKE_PTR(archive);
    return 0;
}

void archive_reader_close(struct archive_reader *archive)
{
    if (!archive)
        return;
    folder_clear(&archive->folder);
    free(archive);
}

const struct folder *archive_reader_folder(const struct archive_reader *archive)
{
    return &archive->folder;
}

/* ---- the guests --------------------------------------------------------------------- */

static void add_domain(struct strings *list, const char *domain)
{
    if (!strings_has(list, domain))
        strings_add(list, domain);
}

/* *ret is the guest's name if the file may be a manifest, else NULL. The caller frees. */
static int domain_of(const struct folder *folder, const char *name, char **ret, struct err *err)
{
    const size_t suffix_len = strlen(ARCHIVE_MANIFEST_SUFFIX);
    size_t len = strlen(name);
    struct stat st = {0};
    bool there = false;

    *ret = NULL;
    if (!text_ends(name, ARCHIVE_MANIFEST_SUFFIX) || archive_check_name(name, NULL) < 0)
        return 0;
    /* What cannot be examined may be a backup, so it must not be skipped. */
    if (folder_stat(folder, name, &there, &st, err) < 0)
        return -1;
    if (there && S_ISREG(st.st_mode))
        *ret = mem_strndup(name, len - suffix_len);
    return 0;
}

static bool is_being_removed(const struct folder *folder, const char *domain)
{
    CLEANUP_EXCHANGE struct exchange exchange = {0};
    bool there = false;

    (void)exchange_find(folder, domain, &exchange, &there, NULL);
    return there && !exchange.manifest_from;
}

/* A file that may be a manifest. journals: there are some, and they may say otherwise. */
static int add_by_manifest(const struct folder *folder, const char *name, bool journals,
                           struct strings *list, struct err *err)
{
    CLEANUP_FREE char *domain = NULL;

    if (domain_of(folder, name, &domain, err) < 0)
        return -1;
    if (domain && folder_may_be_manifest(folder, name) &&
        !(journals && is_being_removed(folder, domain)))
        add_domain(list, domain);
    return 0;
}

/* A backup that counts, although its manifest may not have its name yet. */
static void add_by_journal(const struct folder *folder, const char *journal, struct strings *list)
{
    CLEANUP_EXCHANGE struct exchange exchange = {0};
    bool there = false;

    if (exchange_load(folder, journal, &exchange, &there, NULL) == 0 && there &&
        exchange.manifest_from)
        add_domain(list, exchange.domain);
}

int archive_reader_list(struct archive_reader *archive, struct strings *ret, struct err *err)
{
    CLEANUP_STRINGS struct strings names = {0};
    CLEANUP_STRINGS struct strings domains = {0};
    bool journals = false;

    if (folder_names(&archive->folder, &names, err) < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++) {
        if (archive_own_kind(names.items[i], NULL) != ARCHIVE_OWN_JOURNAL)
            continue;
        add_by_journal(&archive->folder, names.items[i], &domains);
        journals = true;
    }
    for (size_t i = 0; i < names.count; i++)
        if (add_by_manifest(&archive->folder, names.items[i], journals, &domains, err) < 0)
            return -1;
    /* The files have a different order: "web-db.xml" comes before "web.xml". */
    strings_sort(&domains);
    for (size_t i = 0; i < domains.count; i++)
        strings_take(ret, TAKE_PTR(domains.items[i]));
    return 0;
}

/* ---- orphans --------------------------------------------------------------------------- */

static bool looks_stored(const char *name)
{
    static const char *const ends[] = {".raw", ".raw.xz", ".raw.zst", "-nvram.fd", "-tpm.state"};

    for (size_t i = 0; i < ARRAY_COUNT(ends); i++)
        if (text_ends(name, ends[i]))
            return strchr(name, '-') != NULL;
    return text_ends(name, ".sav") && !text_ends(name, ".rescue.sav");
}

/* *ret_orphan: the file exists, and nobody claimed it while it existed. */
static int is_orphan(const struct folder *folder, const char *name, bool *ret_orphan,
                     struct err *err)
{
    struct stat st = {0};
    bool claimed = true;
    bool there = false;

    *ret_orphan = false;
    if (!looks_stored(name) || archive_check_name(name, NULL) < 0)
        return 0;
    if (claims_by_another(folder, "", name, &claimed, err) < 0)
        return -1;
    /* It may have been removed together with its backup since it was listed. */
    if (!claimed && folder_stat(folder, name, &there, &st, err) < 0)
        return -1;
    *ret_orphan = there && S_ISREG(st.st_mode);
    return 0;
}

int archive_reader_orphans(struct archive_reader *archive, struct strings *names, struct err *err)
{
    CLEANUP_STRINGS struct strings all = {0};

    if (folder_names(&archive->folder, &all, err) < 0)
        return -1;
    for (size_t i = 0; i < all.count; i++) {
        bool orphan = false;
        if (is_orphan(&archive->folder, all.items[i], &orphan, err) < 0)
            return -1;
        if (orphan)
            strings_add(names, all.items[i]);
    }
    return 0;
}
