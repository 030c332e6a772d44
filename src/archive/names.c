/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/names.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "base/xml.h"

static bool has_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return true;
    return false;
}

/* What keeps text from being (part of) a file name of ours; NULL if nothing. */
static const char *defect(const char *text)
{
    if (*text == '\0')
        return "is empty";
    if (strchr(text, '/'))
        return "holds a '/'";
    if (has_control(text))
        return "holds a control character";
    if (!xml_text_valid(text))
        return "is not UTF-8 text";
    if (text_begins(text, ARCHIVE_OWN_PREFIX))
        return "begins with '" ARCHIVE_OWN_PREFIX "', which is kept for temporary files";
    return NULL;
}

/* `infix` is "" or "-TARGET". */
static char *build(const char *domain, const char *infix, const char *suffix, struct err *err)
{
    const char *bad = defect(domain);

    if (bad) {
        err_set(err, ERR_UNSUPPORTED, "the guest's name can't be part of a file name: it %s", bad);
        return NULL;
    }
    CLEANUP_FREE char *name = mem_printf("%s%s%s", domain, infix, suffix);
    if (strlen(name) > ARCHIVE_NAME_MAX) {
        err_set(err, ERR_UNSUPPORTED,
                "the guest's name is too long: a file would get a name of %zu bytes, %d are the "
                "limit",
                strlen(name), ARCHIVE_NAME_MAX);
        return NULL;
    }
    return TAKE_PTR(name);
}

char *archive_manifest_name(const char *domain, struct err *err)
{
    return build(domain, "", ARCHIVE_MANIFEST_SUFFIX, err);
}

char *archive_memory_name(const char *domain, struct err *err)
{
    return build(domain, "", ".sav", err);
}

char *archive_disk_name(const char *domain, const char *target, enum codec_type codec,
                        struct err *err)
{
    const char *bad = defect(target);

    if (bad) {
        err_set(err, ERR_UNSUPPORTED, "the disk's target can't be part of a file name: it %s", bad);
        return NULL;
    }
    CLEANUP_FREE char *infix = mem_printf("-%s.raw", target);
    return build(domain, infix, codec_suffix(codec), err);
}

char *archive_extra_name(const char *domain, const char *kind, struct err *err)
{
    if (strcmp(kind, "nvram") == 0)
        return build(domain, "-nvram", ".fd", err);
    if (strcmp(kind, "tpm") == 0)
        return build(domain, "-tpm", ".state", err);
    err_set(err, ERR_INTERNAL, "no file name is known for '%s'", kind);
    return NULL;
}

int archive_check_name(const char *name, struct err *err)
{
    const char *bad = defect(name);

    if (bad)
        return err_set(err, ERR_CORRUPT, "a file name %s", bad);
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return err_set(err, ERR_CORRUPT, "'%s' is not a file name", name);
    if (strlen(name) > ARCHIVE_NAME_MAX)
        return err_set(err, ERR_CORRUPT, "a file name is %zu bytes long, %d are the limit",
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
        if (archive_check_owned_name(manifest->domain_name, stored->file.name, err) < 0)
            return -1;
        while ((other = manifest_next_stored(manifest, &before)) != stored)
            if (strcmp(other->file.name, stored->file.name) == 0)
                return err_set(err, ERR_CORRUPT, "the file '%s' is named twice", stored->file.name);
    }
    return 0;
}

int archive_temp_id(char ret_id[static ARCHIVE_TEMP_ID_SIZE], struct err *err)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char random[ARCHIVE_TEMP_ID_SIZE - 1];

    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return err_set_errno(err, errno, "cannot get random numbers");
    for (size_t i = 0; i < sizeof(random); i++)
        ret_id[i] = digits[random[i] % 16];
    ret_id[sizeof(random)] = '\0';
    return 0;
}

char *archive_temp_name(const char *id, const char *what, enum archive_temp kind)
{
    return mem_printf("%s%s.%s.%s", ARCHIVE_OWN_PREFIX, id, what,
                      kind == ARCHIVE_TEMP_SCRATCH ? "scratch" : "part");
}

enum archive_temp archive_temp_kind(const char *name)
{
    static const size_t id_len = ARCHIVE_TEMP_ID_SIZE - 1;

    if (!text_begins(name, ARCHIVE_OWN_PREFIX))
        return ARCHIVE_TEMP_NONE;
    name += strlen(ARCHIVE_OWN_PREFIX);
    if (strspn(name, "0123456789abcdef") != id_len || name[id_len] != '.')
        return ARCHIVE_TEMP_NONE;
    name += id_len + 1;
    size_t what_len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");
    if (what_len == 0 || what_len > 32)
        return ARCHIVE_TEMP_NONE;
    if (strcmp(name + what_len, ".part") == 0)
        return ARCHIVE_TEMP_PART;
    return strcmp(name + what_len, ".scratch") == 0 ? ARCHIVE_TEMP_SCRATCH : ARCHIVE_TEMP_NONE;
}
