/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/names.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/text.h"
#include "base/xml.h"

static bool has_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return true;
    return false;
}

/* What makes text unusable as (part of) a file name of ours; NULL if nothing does. */
static const char *name_defect(const char *text)
{
    if (*text == '\0')
        return "is empty";
    if (strchr(text, '/'))
        return "contains a '/'";
    if (has_control(text))
        return "contains a control character";
    if (!xml_text_valid(text))
        return "is not UTF-8 text";
    if (text_begins(text, ARCHIVE_OWN_PREFIX))
        return "begins with '" ARCHIVE_OWN_PREFIX "', which is reserved for temporary files";
    return NULL;
}

/* `infix` is "" or "-TARGET". */
static char *build_name(const char *domain, const char *infix, const char *suffix, struct err *err)
{
    const char *bad = name_defect(domain);

    if (bad) {
        err_set(err, ERR_UNSUPPORTED, "the guest's name cannot be part of a file name: it %s", bad);
        return NULL;
    }
    CLEANUP_FREE char *name = mem_printf("%s%s%s", domain, infix, suffix);
    if (strlen(name) > ARCHIVE_NAME_MAX) {
        err_set(err, ERR_UNSUPPORTED,
                "the guest's name is too long: a file name made from it would have %zu bytes, and "
                "the limit is %d",
                strlen(name), ARCHIVE_NAME_MAX);
        return NULL;
    }
    return TAKE_PTR(name);
}

char *archive_manifest_name(const char *domain, struct err *err)
{
    return build_name(domain, "", ARCHIVE_MANIFEST_SUFFIX, err);
}

char *archive_memory_name(const char *domain, struct err *err)
{
    return build_name(domain, "", ".sav", err);
}

char *archive_disk_name(const char *domain, const char *target, enum codec_type codec,
                        struct err *err)
{
    const char *bad = name_defect(target);

    if (bad) {
        err_set(err, ERR_UNSUPPORTED, "the disk's target cannot be part of a file name: it %s",
                bad);
        return NULL;
    }
    CLEANUP_FREE char *infix = mem_printf("-%s.raw", target);
    return build_name(domain, infix, codec_suffix(codec), err);
}

char *archive_extra_name(const char *domain, enum manifest_extra_kind kind, struct err *err)
{
    return kind == EXTRA_TPM ? build_name(domain, "-tpm", ".state", err)
                             : build_name(domain, "-nvram", ".fd", err);
}

int archive_check_name(const char *name, struct err *err)
{
    const char *bad = name_defect(name);

    if (bad)
        return err_set(err, ERR_CORRUPT, "a file name %s", bad);
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return err_set(err, ERR_CORRUPT, "'%s' is not a file name", name);
    if (strlen(name) > ARCHIVE_NAME_MAX)
        return err_set(err, ERR_CORRUPT, "a file name is %zu bytes long, and the limit is %d",
                       strlen(name), ARCHIVE_NAME_MAX);
    return 0;
}

int archive_check_owned_name(const char *domain, const char *name, struct err *err)
{
    if (archive_check_name(name, err) < 0)
        return -1;
    const char *rest = text_begins(name, domain) ? name + strlen(domain) : "";
    if (strcmp(rest, ".sav") == 0)
        return 0;
    if (*rest != '-' || text_ends(rest, ARCHIVE_MANIFEST_SUFFIX))
        return err_set(err, ERR_CORRUPT, "'%s' is not a name for a file of guest '%s'", name,
                       domain);
    return 0;
}

int archive_check_manifest(const struct manifest *manifest, struct err *err)
{
    CLEANUP_FREE char *own = archive_manifest_name(manifest->domain_name, err);
    const struct manifest_stored *stored;
    size_t cursor = 0;

    if (!own) {
        if (err)
            err->kind = ERR_CORRUPT;
        return -1;
    }
    while ((stored = manifest_next_stored(manifest, &cursor))) {
        const struct manifest_stored *other;
        size_t before = 0;
        if (stored->place != PLACE_FILE)
            return err_set(err, ERR_CORRUPT, "it is the manifest of a point of a repository");
        if (archive_check_owned_name(manifest->domain_name, stored->file.name, err) < 0)
            return -1;
        while ((other = manifest_next_stored(manifest, &before)) != stored)
            if (strcmp(other->file.name, stored->file.name) == 0)
                return err_set(err, ERR_CORRUPT, "duplicate file '%s'", stored->file.name);
    }
    return 0;
}

void archive_guest_key(const char *domain, char ret_key[static ARCHIVE_KEY_SIZE])
{
    uint8_t sha256[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];

    digest_of(domain, strlen(domain), sha256);
    digest_to_hex(sha256, hex);
    memcpy(ret_key, hex, ARCHIVE_KEY_SIZE - 1);
    ret_key[ARCHIVE_KEY_SIZE - 1] = '\0';
}

char *archive_part_name(const char *key, const char *what)
{
    return mem_printf("%s%s.%s.part", ARCHIVE_OWN_PREFIX, key, what);
}

char *archive_try_name(const char *key, const char *name)
{
    return mem_printf("%s%s.try.%s", ARCHIVE_OWN_PREFIX, key, name);
}

char *archive_lock_name(const char *key)
{
    return mem_printf("%s%s.lock", ARCHIVE_OWN_PREFIX, key);
}

char *archive_journal_name(const char *key)
{
    return mem_printf("%s%s.exchange", ARCHIVE_OWN_PREFIX, key);
}

/* rest: what comes after the key. */
static enum archive_own kind_of_rest(const char *rest)
{
    if (strcmp(rest, ".lock") == 0)
        return ARCHIVE_OWN_LOCK;
    if (strcmp(rest, ".exchange") == 0)
        return ARCHIVE_OWN_JOURNAL;
    if (text_begins(rest, ".try."))
        return ARCHIVE_OWN_PART;
    size_t what_len = *rest == '.' ? strspn(rest + 1, "abcdefghijklmnopqrstuvwxyz0123456789-") : 0;
    if (what_len == 0 || what_len > 32)
        return ARCHIVE_OWN_NONE;
    rest += 1 + what_len;
    if (strcmp(rest, ".part") == 0)
        return ARCHIVE_OWN_PART;
    return strcmp(rest, ".scratch") == 0 ? ARCHIVE_OWN_SCRATCH : ARCHIVE_OWN_NONE;
}

enum archive_own archive_own_kind(const char *name, char ret_key[ARCHIVE_KEY_SIZE])
{
    const size_t key_len = ARCHIVE_KEY_SIZE - 1;

    if (strcmp(name, ARCHIVE_FORMER_JOURNAL) == 0)
        return ARCHIVE_OWN_JOURNAL;
    if (!text_begins(name, ARCHIVE_OWN_PREFIX))
        return ARCHIVE_OWN_NONE;
    const char *key = name + strlen(ARCHIVE_OWN_PREFIX);
    if (strspn(key, "0123456789abcdef") != key_len)
        return ARCHIVE_OWN_NONE;
    enum archive_own kind = kind_of_rest(key + key_len);
    if (kind != ARCHIVE_OWN_NONE && ret_key) {
        memcpy(ret_key, key, key_len);
        ret_key[key_len] = '\0';
    }
    return kind;
}
