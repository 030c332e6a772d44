/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record/manifest_check.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/units.h"
#include "base/xml.h"

/* liblzma's largest dictionary for encoding; zstd's windows are smaller. */
#define DICTIONARY_MAX (UINT64_C(1536) * MIB)

/* '0' in the pattern stands for a decimal digit, 'x' for a hexadecimal one. */
static bool looks_like(const char *text, const char *pattern)
{
    for (; *pattern; text++, pattern++) {
        if (*pattern == '0'   ? !strchr("0123456789", *text) || !*text
            : *pattern == 'x' ? !strchr("0123456789abcdefABCDEF", *text) || !*text
                              : *text != *pattern)
            return false;
    }
    return *text == '\0';
}

static bool is_one_of_words(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

static int check_stored_sizes(const struct manifest_stored *stored, struct err *err)
{
    bool encoded = stored->codec.type != CODEC_NONE;

    if (stored->file.size > INT64_MAX || stored->image.raw_size > INT64_MAX)
        return err_set(err, ERR_CORRUPT, "a size is larger than a file can be");
    if (!units_is_power_of_two(stored->image.chunk_size) ||
        stored->image.chunk_size < CODEC_CHUNK_MIN || stored->image.chunk_size > CODEC_CHUNK_MAX)
        return err_set(err, ERR_CORRUPT, "invalid chunk size %llu",
                       (unsigned long long)stored->image.chunk_size);
    if (stored->codec.dict_size > DICTIONARY_MAX || (!encoded && stored->codec.dict_size))
        return err_set(err, ERR_CORRUPT, "invalid dictionary size %llu",
                       (unsigned long long)stored->codec.dict_size);
    return 0;
}

static int check_stored_place(const struct manifest_stored *stored, struct err *err)
{
    if (stored->place != PLACE_MAP && !stored->image.has_content)
        return err_set(err, ERR_CORRUPT, "has no attribute 'content-sha256'");
    if (stored->has_header && stored->number != MANIFEST_MAP_MEMORY)
        return err_set(err, ERR_CORRUPT, "only the memory has a header");
    if (stored->place == PLACE_MAP && stored->image.chunk_size != MANIFEST_MAP_CHUNK)
        return err_set(err, ERR_CORRUPT, "invalid chunk size %llu",
                       (unsigned long long)stored->image.chunk_size);
    if (stored->place == PLACE_FILE && stored->codec.type != CODEC_NONE && !stored->file.has_sha256)
        return err_set(err, ERR_CORRUPT, "a compressed file must have a SHA-256");
    return 0;
}

static int check_stored(const struct manifest_stored *stored, struct err *err)
{
    if (check_stored_sizes(stored, err) == 0 && check_stored_place(stored, err) == 0)
        return 0;
    if (stored->place == PLACE_FILE)
        return err_prefix(err, "file '%s'", stored->file.name);
    return err_prefix(err, "%s %u", stored->place == PLACE_MAP ? "map" : "small item",
                      stored->number);
}

/* To the system -1 means "leave it as it is"; it is nobody's number. */
static int check_owner(const struct manifest_owner *owner, struct err *err)
{
    if (!owner->known)
        return 0;
    if (owner->uid == UINT32_MAX || owner->gid == UINT32_MAX)
        return err_set(err, ERR_CORRUPT, "invalid owner or group of a file");
    for (const char *c = owner->selinux; c && *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f)
            return err_set(err, ERR_CORRUPT,
                           "an SELinux context contains blanks or control characters");
    if (owner->selinux && strlen(owner->selinux) >= MANIFEST_MAX_CONTEXT)
        return err_set(err, ERR_CORRUPT, "an SELinux context is %zu bytes long",
                       strlen(owner->selinux));
    return 0;
}

static int check_counts(const struct manifest *manifest, struct err *err)
{
    if (manifest->disk_count > MANIFEST_MAX_DISKS || manifest->extra_count > MANIFEST_MAX_EXTRAS ||
        manifest->left_out_count > MANIFEST_MAX_LEFT_OUT)
        return err_set(err, ERR_CORRUPT, "more disks or other files than a guest can have");
    for (size_t i = 0; i < manifest->disk_count; i++)
        if (manifest->disks[i].option_count > MANIFEST_MAX_OPTIONS)
            return err_set(err, ERR_CORRUPT, "disk '%s' has more than %zu options",
                           manifest->disks[i].target, MANIFEST_MAX_OPTIONS);
    return 0;
}

static int check_disk_element(const struct manifest *manifest, const struct manifest_disk *disk,
                              struct err *err)
{
    static const char *const types[] = {"file", "block", "network", "volume", NULL};

    if (*disk->target == '\0' || *disk->format == '\0')
        return err_set(err, ERR_CORRUPT, "a disk has no target or no format");
    if (manifest_find_disk(manifest, disk->target) != disk)
        return err_set(err, ERR_CORRUPT, "duplicate disk '%s'", disk->target);
    if (!is_one_of_words(disk->type, types))
        return err_set(err, ERR_CORRUPT, "disk '%s' has the unknown type '%s'", disk->target,
                       disk->type);
    if (disk->stored.place == PLACE_SMALL ||
        (disk->stored.place == PLACE_MAP &&
         disk->stored.number != (uint32_t)(disk - manifest->disks)))
        return err_set(err, ERR_CORRUPT, "disk '%s' has the place of something else", disk->target);
    if (disk->stored.place == PLACE_FILE && disk->stored.codec.type == CODEC_NONE &&
        disk->stored.file.size != disk->stored.image.raw_size)
        return err_set(err, ERR_CORRUPT,
                       "disk '%s': an uncompressed file must have the size of the image",
                       disk->target);
    if (check_owner(&disk->owner, err) < 0)
        return err_prefix(err, "disk '%s'", disk->target);
    return check_stored(&disk->stored, err);
}

static int check_extra(const struct manifest_extra *extra, struct err *err)
{
    const struct manifest_stored *stored = &extra->stored;
    const char *kind = manifest_extra_name(extra->kind);

    if (!kind)
        return err_set(err, ERR_CORRUPT, "unknown kind of file %u", (unsigned)extra->kind);
    if (stored->place == PLACE_MAP ||
        (stored->place == PLACE_SMALL && stored->number != extra->kind + 1u))
        return err_set(err, ERR_CORRUPT, "the %s file has the place of something else", kind);
    if (stored->codec.type != CODEC_NONE ||
        (stored->place == PLACE_FILE &&
         (!stored->file.has_sha256 || stored->file.size != stored->image.raw_size)))
        return err_set(err, ERR_CORRUPT, "the %s file must be stored as it is, with a SHA-256",
                       kind);
    if (check_owner(&extra->owner, err) < 0)
        return err_prefix(err, "%s", kind);
    return check_stored(stored, err);
}

static int check_memory_image(const struct manifest *manifest, struct err *err)
{
    const struct manifest_stored *memory = manifest->memory;

    if (!memory != !manifest->live)
        return err_set(err, ERR_CORRUPT, "there is memory without live XML, or the reverse");
    if (!memory)
        return 0;
    if (memory->place == PLACE_SMALL ||
        (memory->place == PLACE_MAP && memory->number != MANIFEST_MAP_MEMORY))
        return err_set(err, ERR_CORRUPT, "the memory has the place of something else");
    if (memory->place == PLACE_FILE && memory->codec.type == CODEC_NONE &&
        memory->file.size < memory->image.raw_size)
        return err_set(err, ERR_CORRUPT, "the save image is smaller than the memory in it");
    return check_stored(memory, err);
}

/* `what`: "definition" or "live XML". */
static int check_identity(const struct manifest *manifest, const struct xml_doc *doc,
                          const char *what, struct err *err)
{
    const struct xml_node *root = xml_root(doc);
    CLEANUP_FREE char *name = xml_find_text(root, "name");
    CLEANUP_FREE char *uuid = xml_find_text(root, "uuid");

    if (!xml_is(root, NULL, "domain") || !name || !uuid)
        return err_set(err, ERR_CORRUPT, "the %s is not a domain with name and UUID", what);
    if (strcmp(name, manifest->domain_name) != 0 || strcasecmp(uuid, manifest->domain_uuid) != 0)
        return err_set(err, ERR_CORRUPT, "the %s belongs to another guest: '%s', %s", what, name,
                       uuid);
    return 0;
}

static int check_head(const struct manifest *manifest, struct err *err)
{
    if (*manifest->domain_name == '\0')
        return err_set(err, ERR_CORRUPT, "the guest has no name");
    if (!looks_like(manifest->time, "0000-00-00T00:00:00Z"))
        return err_set(err, ERR_CORRUPT, "'%s' is not a time", manifest->time);
    if (!looks_like(manifest->domain_uuid, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"))
        return err_set(err, ERR_CORRUPT, "'%s' is not a UUID", manifest->domain_uuid);
    if (check_identity(manifest, manifest->definition, "definition", err) < 0)
        return -1;
    return manifest->live ? check_identity(manifest, manifest->live, "live XML", err) : 0;
}

int manifest_check(const struct manifest *manifest, struct err *err)
{
    if (check_counts(manifest, err) < 0 || check_head(manifest, err) < 0 ||
        check_memory_image(manifest, err) < 0)
        return -1;
    for (size_t i = 0; i < manifest->disk_count; i++)
        if (check_disk_element(manifest, &manifest->disks[i], err) < 0)
            return -1;
    for (size_t i = 0; i < manifest->extra_count; i++)
        if (check_extra(&manifest->extras[i], err) < 0)
            return -1;
    return 0;
}

/* ---- digest and seal --------------------------------------------------------- */

static int find_digest(const char *text, size_t len, size_t *ret_offset, struct err *err)
{
    /* A '<' in text or in a value is written as an entity, so this can only appear in a comment,
     * and then there are two and the manifest is refused. */
    static const char mark[] =
        "<" MANIFEST_PREFIX ":backup xmlns:" MANIFEST_PREFIX "=\"" MANIFEST_NS "\" sha256=\"";
    const size_t mark_len = sizeof(mark) - 1;
    const char *found = memmem(text, len, mark, mark_len);

    if (!found)
        return err_set(err, ERR_CORRUPT, "has no place for its own SHA-256");
    size_t offset = (size_t)(found - text) + mark_len;
    if (memmem(text + offset, len - offset, mark, mark_len))
        return err_set(err, ERR_CORRUPT, "has two places for its own SHA-256");
    *ret_offset = offset;
    return 0;
}

/* The digits from the offset on, which a quote must end. */
static int measure_digits(const char *text, size_t len, size_t offset, const char *what,
                          size_t *ret_len, struct err *err)
{
    const char *end = memchr(text + offset, '"', len - offset);
    size_t digits = end ? (size_t)(end - text) - offset : 0;

    if (!end || (digits != 0 && digits != DIGEST_HEX_SIZE - 1))
        return err_set(err, ERR_CORRUPT, "its own %s is not 64 digits long", what);
    *ret_len = digits;
    return 0;
}

int manifest_check_places(const char *text, size_t len, struct manifest_places *ret,
                          struct err *err)
{
    static const char mark[] = "\" seal=\"";
    const size_t mark_len = sizeof(mark) - 1;

    *ret = (struct manifest_places){0};
    if (find_digest(text, len, &ret->digest, err) < 0 ||
        measure_digits(text, len, ret->digest, "SHA-256", &ret->digest_len, err) < 0)
        return -1;
    size_t offset = ret->digest + ret->digest_len;
    if (len - offset < mark_len || memcmp(text + offset, mark, mark_len) != 0)
        return 0;
    ret->seal = offset + mark_len;
    return measure_digits(text, len, ret->seal, "seal", &ret->seal_len, err);
}

void manifest_check_digest(const char *text, size_t len, const struct manifest_places *places,
                           char ret_hex[static DIGEST_HEX_SIZE])
{
    CLEANUP(digest_freep) struct digest *digest = digest_new();
    size_t behind = places->digest + places->digest_len;
    uint8_t sha256[DIGEST_SIZE];

    digest_add(digest, text, places->digest);
    digest_add(digest, text + behind, len - behind);
    digest_finish(digest, sha256);
    digest_to_hex(sha256, ret_hex);
}

void manifest_check_sealed(const char *text, size_t len, const struct manifest_places *places,
                           uint8_t ret[static DIGEST_SIZE])
{
    CLEANUP(digest_freep) struct digest *digest = digest_new();
    size_t between = places->digest + places->digest_len;
    size_t behind = places->seal + places->seal_len;

    digest_add(digest, text, places->digest);
    digest_add(digest, text + between, places->seal - between);
    digest_add(digest, text + behind, len - behind);
    digest_finish(digest, ret);
}
