/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/claims.h"

#include <string.h>

#include "archive/exchange.h"
#include "archive/names.h"

/* Each of these returns 1: names the file, or cannot be read and so might name it; 0: does not; -1:
 * failed. */
static int claim_of_error(struct err *why, struct err *err)
{
    switch (why->kind) {
    case ERR_NOT_FOUND:
        return 0;
    case ERR_CORRUPT:
    case ERR_UNSUPPORTED:
        return 1;
    default:
        return err_move(err, why);
    }
}

static int manifest_claims(const struct folder *folder, const char *domain, const char *name,
                           struct err *err)
{
    CLEANUP_FREE char *manifest_name = archive_manifest_name(domain, NULL);
    CLEANUP(manifest_freep) struct manifest *manifest = NULL;
    CLEANUP_ERR struct err why = ERR_INIT;
    const struct manifest_stored *stored;
    size_t cursor = 0;

    if (!manifest_name)
        return 0;
    if (folder_manifest(folder, manifest_name, domain, &manifest, NULL, &why) < 0)
        return claim_of_error(&why, err);
    while ((stored = manifest_next_stored(manifest, &cursor)))
        if (strcmp(stored->file.name, name) == 0)
            return 1;
    return 0;
}

static int journal_claims(const struct folder *folder, const char *domain, const char *name,
                          struct err *err)
{
    CLEANUP_EXCHANGE struct exchange exchange = {0};
    CLEANUP_ERR struct err why = ERR_INIT;
    bool there = false;

    if (exchange_find(folder, domain, &exchange, &there, &why) < 0)
        return claim_of_error(&why, err);
    return there && exchange_mentions(&exchange, name);
}

int claims_by_another(const struct folder *folder, const char *domain, const char *name,
                      bool *ret_claimed, struct err *err)
{
    /* A file's name begins with its guest's, followed by '-' or ".sav", so each such beginning may
     * be a guest. "a-b-vda.raw" is disk b-vda of a or vda of a-b. */
    for (const char *end = name + 1; *name && *end; end++) {
        if (*end != '-' && strcmp(end, ".sav") != 0)
            continue;
        CLEANUP_FREE char *other = mem_strndup(name, (size_t)(end - name));
        if (strcmp(other, domain) == 0 || archive_check_owned_name(other, name, NULL) < 0)
            continue;
        /* The journal first: it exists until the manifest has its name. */
        int claims = journal_claims(folder, other, name, err);
        if (claims == 0)
            claims = manifest_claims(folder, other, name, err);
        if (claims < 0)
            return -1;
        if (claims) {
            *ret_claimed = true;
            return 0;
        }
    }
    *ret_claimed = false;
    return 0;
}
