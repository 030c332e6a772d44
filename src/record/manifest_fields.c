/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record/manifest_fields.h"

#include <stdint.h>
#include <string.h>

#include "base/array.h"
#include "base/units.h"

#define MAP_OF_MEMORY "memory"

enum field_kind {
    FIELD_TEXT,
    FIELD_OPTIONAL_TEXT, /* no attribute: NULL */
    FIELD_U32,
    FIELD_U64,
    FIELD_U64_IF,   /* no attribute: the flag is false */
    FIELD_U64_OR_0, /* no attribute: 0 */
    FIELD_YES_NO,
    FIELD_MODE,      /* four octal digits */
    FIELD_DIGEST_IF, /* 64 hexadecimal digits; no attribute: the flag is false */
    FIELD_MAP,       /* a number, or "memory" */
    FIELD_WORD,      /* an enum, by its name */
    FIELD_WORD_OR_0, /* no attribute: 0 */
    FIELD_CODEC,
    FIELD_OWN_DIGEST, /* of the manifest itself: filled in and checked elsewhere */
    FIELD_SEAL,       /* filled in elsewhere; no attribute: the flag is false */
    FIELD_SEAL_KEY,   /* there with the seal, and only with it */
};

struct manifest_field {
    const char *name;
    enum field_kind kind;
    size_t offset;                       /* of the member */
    size_t flag_offset;                  /* of the bool that says whether there is a value */
    const char *(*word)(unsigned value); /* NULL for an unknown value */
    unsigned since;                      /* the first format version that has it; 0: all have */
};

/* clang-format off */
#define ROW(type, kind, name, member)                                                              \
    {name, FIELD_##kind, offsetof(struct type, member), 0, NULL, 0}
#define ROW_IF(type, kind, name, member, flag)                                                     \
    {name, FIELD_##kind, offsetof(struct type, member), offsetof(struct type, flag), NULL, 0}
#define ROW_WORD(type, word, name, member)                                                         \
    {name, FIELD_WORD, offsetof(struct type, member), 0, word, 0}
#define ROW_WORD_OR_0(type, word, name, member)                                                    \
    {name, FIELD_WORD_OR_0, offsetof(struct type, member), 0, word, 0}
/* clang-format on */
#define ELEMENT(variable, name, fields)                                                            \
    const struct manifest_element manifest_fields_##variable = {name, fields, ARRAY_COUNT(fields)}

static const char *state_word(unsigned value)
{
    return manifest_state_name((enum manifest_state)value);
}

static const char *consistency_word(unsigned value)
{
    return manifest_consistency_name((enum manifest_consistency)value);
}

static const char *sandbox_word(unsigned value)
{
    return manifest_sandbox_name((enum manifest_sandbox)value);
}

static const char *extra_word(unsigned value)
{
    return manifest_extra_name((enum manifest_extra_kind)value);
}

static const struct manifest_field backup_fields[] = {
    /* These two first: manifest_check_places relies on it. */
    {"sha256", FIELD_OWN_DIGEST, 0, 0, NULL, 0},
    {"seal", FIELD_SEAL, offsetof(struct manifest, seal.mac), offsetof(struct manifest, seal.there),
     NULL, 3},
    {"key", FIELD_SEAL_KEY, offsetof(struct manifest, seal.key),
     offsetof(struct manifest, seal.there), NULL, 3},
    ROW(manifest, U32, "format", format_version),
    ROW(manifest, TEXT, "tool", tool_version),
    ROW(manifest, TEXT, "time", time),
    ROW_WORD_OR_0(manifest, sandbox_word, "sandbox", sandbox),
};
static const struct manifest_field hypervisor_fields[] = {
    ROW(manifest, TEXT, "uri", uri),
    ROW(manifest, TEXT, "host", host),
    {"host-uuid", FIELD_OPTIONAL_TEXT, offsetof(struct manifest, host_uuid), 0, NULL, 3},
};
static const struct manifest_field domain_fields[] = {
    ROW(manifest, TEXT, "name", domain_name),        ROW(manifest, TEXT, "uuid", domain_uuid),
    ROW(manifest, TEXT, "type", domain_type),        ROW_WORD(manifest, state_word, "state", state),
    ROW(manifest, YES_NO, "persistent", persistent), ROW(manifest, YES_NO, "autostart", autostart),
};
static const struct manifest_field consistency_fields[] = {
    ROW_WORD(manifest, consistency_word, "method", consistency),
    ROW_IF(manifest, U64_IF, "downtime-ms", downtime_ms, has_downtime),
};
static const struct manifest_field disk_fields[] = {
    ROW(manifest_disk, TEXT, "target", target),
    ROW(manifest_disk, TEXT, "type", type),
    ROW(manifest_disk, TEXT, "format", format),
};
static const struct manifest_field disk_source_fields[] = {
    ROW(manifest_disk, TEXT, "path", path),
    ROW(manifest_disk, OPTIONAL_TEXT, "pool", pool),
    ROW(manifest_disk, OPTIONAL_TEXT, "volume", volume),
    ROW(manifest_disk, U64, "size", file_size),
};
static const struct manifest_field owner_fields[] = {
    ROW(manifest_owner, U32, "uid", uid),
    ROW(manifest_owner, U32, "gid", gid),
    ROW(manifest_owner, OPTIONAL_TEXT, "user", user),
    ROW(manifest_owner, OPTIONAL_TEXT, "group", group),
    ROW(manifest_owner, MODE, "mode", mode),
    ROW(manifest_owner, OPTIONAL_TEXT, "selinux", selinux),
};
static const struct manifest_field option_fields[] = {
    ROW(manifest_option, TEXT, "name", name),
    ROW(manifest_option, TEXT, "value", value),
};
static const struct manifest_field stored_file_fields[] = {
    ROW(manifest_stored, TEXT, "name", file.name),
    ROW(manifest_stored, U64, "size", file.size),
    ROW_IF(manifest_stored, DIGEST_IF, "sha256", file.sha256, file.has_sha256),
    ROW(manifest_stored, CODEC, "compression", codec),
    ROW(manifest_stored, U64_OR_0, "dictionary", codec.dict_size), /* after "compression" */
    ROW(manifest_stored, U64, "chunk-size", image.chunk_size),
    ROW(manifest_stored, U64, "raw-size", image.raw_size),
    ROW_IF(manifest_stored, DIGEST_IF, "content-sha256", image.content, image.has_content),
};
static const struct manifest_field stored_map_fields[] = {
    ROW(manifest_stored, MAP, "map", number),
    ROW(manifest_stored, CODEC, "compression", codec),
    ROW(manifest_stored, U64, "chunk-size", image.chunk_size),
    ROW(manifest_stored, U64, "raw-size", image.raw_size),
    ROW_IF(manifest_stored, DIGEST_IF, "content-sha256", image.content, image.has_content),
    ROW_IF(manifest_stored, DIGEST_IF, "header-sha256", header, has_header),
};
static const struct manifest_field stored_small_fields[] = {
    ROW(manifest_stored, U32, "small", number),
    ROW(manifest_stored, CODEC, "compression", codec),
    ROW(manifest_stored, U64, "chunk-size", image.chunk_size),
    ROW(manifest_stored, U64, "raw-size", image.raw_size),
    ROW_IF(manifest_stored, DIGEST_IF, "content-sha256", image.content, image.has_content),
};
static const struct manifest_field extra_fields[] = {
    ROW_WORD(manifest_extra, extra_word, "kind", kind),
    ROW(manifest_extra, OPTIONAL_TEXT, "format", format),
};
static const struct manifest_field extra_source_fields[] = {
    ROW(manifest_extra, OPTIONAL_TEXT, "path", path),
};
static const struct manifest_field left_out_fields[] = {
    ROW(manifest_left_out, TEXT, "target", target),
    ROW(manifest_left_out, TEXT, "device", device),
    ROW(manifest_left_out, OPTIONAL_TEXT, "path", path),
    ROW(manifest_left_out, TEXT, "reason", reason),
};

ELEMENT(backup, "backup", backup_fields);
ELEMENT(hypervisor, "hypervisor", hypervisor_fields);
ELEMENT(domain, "domain", domain_fields);
ELEMENT(consistency, "consistency", consistency_fields);
ELEMENT(disk, "disk", disk_fields);
ELEMENT(disk_source, "source", disk_source_fields);
ELEMENT(owner, "owner", owner_fields);
ELEMENT(option, "option", option_fields);
static const struct manifest_element stored_file_element = {"stored", stored_file_fields,
                                                            ARRAY_COUNT(stored_file_fields)};
static const struct manifest_element stored_map_element = {"stored", stored_map_fields,
                                                           ARRAY_COUNT(stored_map_fields)};
static const struct manifest_element stored_small_element = {"stored", stored_small_fields,
                                                             ARRAY_COUNT(stored_small_fields)};
ELEMENT(extra, "extra", extra_fields);
ELEMENT(extra_source, "source", extra_source_fields);
ELEMENT(left_out, "left-out", left_out_fields);
const struct manifest_element manifest_fields_memory = {"memory", NULL, 0};
const struct manifest_element manifest_fields_live = {"live", NULL, 0};

const struct manifest_element *manifest_fields_stored(enum manifest_place place)
{
    switch (place) {
    case PLACE_FILE:
        return &stored_file_element;
    case PLACE_MAP:
        return &stored_map_element;
    case PLACE_SMALL:
        return &stored_small_element;
    }
    return NULL;
}

enum manifest_place manifest_fields_place(struct xml_node *node)
{
    return xml_attr(node, "map") ? PLACE_MAP : xml_attr(node, "small") ? PLACE_SMALL : PLACE_FILE;
}

/* ---- writing ----------------------------------------------------------------- */

/* The attribute's value, which the caller frees; NULL: the attribute is left out. */
static char *value_text(const struct manifest_field *field, const void *object)
{
    const char *member = (const char *)object + field->offset;
    char text[DIGEST_HEX_SIZE > CODEC_TEXT_SIZE ? DIGEST_HEX_SIZE : CODEC_TEXT_SIZE];

    switch (field->kind) {
    case FIELD_TEXT:
    case FIELD_OPTIONAL_TEXT:
        return mem_strdup(*(char *const *)member);
    case FIELD_U32:
        return mem_printf("%u", *(const uint32_t *)member);
    case FIELD_MAP:
        if (*(const uint32_t *)member == MANIFEST_MAP_MEMORY)
            return mem_strdup(MAP_OF_MEMORY);
        return mem_printf("%u", *(const uint32_t *)member);
    case FIELD_U64_OR_0:
        if (*(const uint64_t *)member == 0)
            return NULL;
        /* fall through */
    case FIELD_U64:
    case FIELD_U64_IF:
        return mem_printf("%llu", (unsigned long long)*(const uint64_t *)member);
    case FIELD_YES_NO:
        return mem_strdup(*(const bool *)member ? "yes" : "no");
    case FIELD_MODE:
        return mem_printf("%04o", *(const uint32_t *)member & 07777);
    case FIELD_DIGEST_IF:
        digest_to_hex((const uint8_t *)member, text);
        return mem_strdup(text);
    case FIELD_WORD_OR_0:
        if (*(const unsigned *)member == 0)
            return NULL;
        /* fall through */
    case FIELD_WORD:
        return mem_strdup(field->word(*(const unsigned *)member));
    case FIELD_CODEC:
        return mem_strdup(codec_format((const struct codec_spec *)member, text));
    case FIELD_SEAL_KEY:
        return mem_strdup(member);
    case FIELD_OWN_DIGEST:
    case FIELD_SEAL:
        break;
    }
    return mem_strdup("");
}

static bool has_flag(const struct manifest_field *field)
{
    return field->kind == FIELD_U64_IF || field->kind == FIELD_DIGEST_IF ||
           field->kind == FIELD_SEAL || field->kind == FIELD_SEAL_KEY;
}

static bool is_optional_field(const struct manifest_field *field)
{
    return has_flag(field) || field->kind == FIELD_OPTIONAL_TEXT || field->kind == FIELD_U64_OR_0 ||
           field->kind == FIELD_WORD_OR_0;
}

int manifest_fields_write(struct xml_node *node, const struct manifest_element *element,
                          const void *object, struct err *err)
{
    for (size_t i = 0; i < element->field_count; i++) {
        const struct manifest_field *field = &element->fields[i];

        if (has_flag(field) && !*(const bool *)((const char *)object + field->flag_offset))
            continue;
        CLEANUP_FREE char *text = value_text(field, object);
        if (!text && is_optional_field(field))
            continue;
        if (!text)
            return err_set(err, ERR_INTERNAL, "the manifest's <%s> has no '%s'", element->name,
                           field->name);
        if (!xml_text_valid(text))
            return err_set(err, ERR_UNSUPPORTED,
                           "the '%s' of a manifest's <%s> cannot be written: it contains control "
                           "characters, or is not UTF-8",
                           field->name, element->name);
        xml_set_attr(node, field->name, text);
    }
    return 0;
}

/* ---- reading ----------------------------------------------------------------- */

static bool parse_u64(const char *text, uint64_t max, uint64_t *ret)
{
    /* One way of writing a number only: no leading zeros. */
    if (text[0] == '0' && text[1] != '\0')
        return false;
    return units_parse_number(text, 0, max, ret, NULL) == 0;
}

static bool parse_map(const char *text, uint32_t *ret)
{
    uint64_t number = MANIFEST_MAP_MEMORY;

    if (strcmp(text, MAP_OF_MEMORY) != 0 && !parse_u64(text, MANIFEST_MAX_DISKS - 1, &number))
        return false;
    *ret = (uint32_t)number;
    return true;
}

static bool parse_mode(const char *text, uint32_t *ret)
{
    uint32_t mode = 0;

    if (strlen(text) != 4 || strspn(text, "01234567") != 4)
        return false;
    for (; *text; text++)
        mode = mode * 8 + (uint32_t)(*text - '0');
    *ret = mode;
    return true;
}

static bool parse_word(const struct manifest_field *field, const char *text, unsigned *ret)
{
    for (unsigned value = 0; field->word(value); value++) {
        if (strcmp(text, field->word(value)) == 0) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static bool parse_codec(const char *text, struct codec_spec *ret)
{
    char again[CODEC_TEXT_SIZE];

    return codec_parse(text, ret, NULL) == 0 && strcmp(codec_format(ret, again), text) == 0;
}

static bool parse_seal_key(const char *text, char *ret)
{
    if (strlen(text) != SEAL_KEY_ID_SIZE - 1 ||
        strspn(text, "0123456789abcdef") != SEAL_KEY_ID_SIZE - 1)
        return false;
    memcpy(ret, text, SEAL_KEY_ID_SIZE);
    return true;
}

static bool parse_value(const struct manifest_field *field, const char *text, char *member)
{
    uint64_t number = 0;

    switch (field->kind) {
    case FIELD_TEXT:
    case FIELD_OPTIONAL_TEXT:
        *(char **)member = mem_strdup(text);
        return true;
    case FIELD_U32:
        if (!parse_u64(text, UINT32_MAX, &number))
            return false;
        *(uint32_t *)member = (uint32_t)number;
        return true;
    case FIELD_U64:
    case FIELD_U64_IF:
        return parse_u64(text, UINT64_MAX, (uint64_t *)member);
    case FIELD_U64_OR_0:
        return parse_u64(text, UINT64_MAX, (uint64_t *)member) && *(uint64_t *)member != 0;
    case FIELD_YES_NO:
        *(bool *)member = strcmp(text, "yes") == 0;
        return *(bool *)member || strcmp(text, "no") == 0;
    case FIELD_MAP:
        return parse_map(text, (uint32_t *)member);
    case FIELD_MODE:
        return parse_mode(text, (uint32_t *)member);
    case FIELD_DIGEST_IF:
    case FIELD_SEAL:
        return digest_from_hex(text, (uint8_t *)member);
    case FIELD_WORD_OR_0:
        return parse_word(field, text, (unsigned *)member) && *(unsigned *)member != 0;
    case FIELD_WORD:
        return parse_word(field, text, (unsigned *)member);
    case FIELD_CODEC:
        return parse_codec(text, (struct codec_spec *)member);
    case FIELD_SEAL_KEY:
        return parse_seal_key(text, member);
    case FIELD_OWN_DIGEST:
        return true;
    }
    return false;
}

struct unknown_search {
    const struct manifest_element *element;
    unsigned version;
    char *found;
};

static bool look_for_unknown(void *opaque, const char *name, const char *value)
{
    struct unknown_search *search = opaque;

    (void)value;
    for (size_t i = 0; i < search->element->field_count; i++)
        if (strcmp(search->element->fields[i].name, name) == 0 &&
            search->element->fields[i].since <= search->version)
            return true;
    search->found = mem_strdup(name);
    return false;
}

int manifest_fields_read(struct xml_node *node, const struct manifest_element *element,
                         unsigned version, void *object, struct err *err)
{
    struct unknown_search search = {.element = element, .version = version};

    for (size_t i = 0; i < element->field_count; i++) {
        const struct manifest_field *field = &element->fields[i];
        const char *text = xml_attr(node, field->name);

        if (field->since > version)
            continue;
        if (!text && !is_optional_field(field))
            return err_set(err, ERR_CORRUPT, "the manifest's <%s> has no '%s'", element->name,
                           field->name);
        if (text && !parse_value(field, text, (char *)object + field->offset))
            return err_set(err, ERR_CORRUPT,
                           "the manifest's <%s> has the invalid value '%s' for '%s'", element->name,
                           text, field->name);
        bool *flag = (bool *)((char *)object + field->flag_offset);
        if (field->kind == FIELD_SEAL_KEY && *flag != (text != NULL))
            return err_set(err, ERR_CORRUPT,
                           "the manifest has a seal without a key, or the reverse");
        if (has_flag(field))
            *flag = text != NULL;
    }
    xml_each_attr(node, look_for_unknown, &search);
    CLEANUP_FREE char *unknown = search.found;
    if (unknown)
        return err_set(err, ERR_CORRUPT, "the manifest's <%s> has an unknown attribute '%s'",
                       element->name, unknown);
    return 0;
}
