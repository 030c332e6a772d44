/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/format/trust_section.h"

#include <string.h>

#include "repository/format/fields.h"
#include "repository/format/flat.h"

#define NAME_PREFIX "vb-"
#define OWNER_DIGITS 16u
#define RANDOM_DIGITS 32u

void trust_section_clear(struct trust_section *section)
{
    trust_clear(&section->facts);
    free(section->witnesses);
    *section = (struct trust_section){0};
}

/* ---- what it may say ------------------------------------------------------------------------- */

static bool has_digits(const char *text, size_t count)
{
    return strspn(text, "0123456789abcdef") >= count;
}

/* As guest/checkpoint.h has it. Other checkpoints are not ours to name. */
static bool is_checkpoint_name(const char *text)
{
    const char *owner = text + strlen(NAME_PREFIX);

    return strlen(text) == strlen(NAME_PREFIX) + OWNER_DIGITS + 1 + RANDOM_DIGITS &&
           memcmp(text, NAME_PREFIX, strlen(NAME_PREFIX)) == 0 && has_digits(owner, OWNER_DIGITS) &&
           owner[OWNER_DIGITS] == '-' && has_digits(owner + OWNER_DIGITS + 1, RANDOM_DIGITS);
}

static int check_section(const struct trust_section *section, struct err *err)
{
    const struct trust *facts = &section->facts;

    if (!is_checkpoint_name(facts->checkpoint) || !is_checkpoint_name(facts->bitmap))
        return err_set(err, ERR_CORRUPT, "its checkpoint is not one of virt-backup");
    if (facts->granularity < LIMITS_GRANULARITY_MIN ||
        facts->granularity > LIMITS_GRANULARITY_MAX ||
        (facts->granularity & (facts->granularity - 1)) != 0)
        return err_set(err, ERR_CORRUPT,
                       "its \"granularity\" is not a power of two that it can be");
    if (facts->size > LIMITS_IMAGE)
        return err_set(err, ERR_CORRUPT, "its disk is too large");
    if (section->witness_count > LIMITS_WITNESSES)
        return err_set(err, ERR_CORRUPT, "it has more than %u witnesses", LIMITS_WITNESSES);
    for (size_t i = 0; i < section->witness_count; i++) {
        uint64_t offset = section->witnesses[i].offset;
        if (offset % LIMITS_BLOCK != 0 || offset >= facts->size ||
            (i > 0 && offset <= section->witnesses[i - 1].offset))
            return err_set(err, ERR_CORRUPT,
                           "witness %zu is not a block of the disk, or out of turn", i);
    }
    return 0;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

int trust_section_format(const struct trust_section *section, struct buf *ret, struct err *err)
{
    const struct trust *facts = &section->facts;
    CLEANUP(json_freep) struct json *json = json_new_object();
    CLEANUP_TRUST_SECTION struct trust_section again = {0};
    struct json *witnesses = json_new_array();
    char text[ID_TEXT_SIZE];

    for (size_t i = 0; i < section->witness_count; i++) {
        struct json *witness = json_new_object();
        json_set_u64(witness, "offset", section->witnesses[i].offset);
        json_set_str(witness, "id", id_text(&section->witnesses[i].id, text));
        json_add(witnesses, witness);
    }
    json_set_u64(json, "format", FIELDS_FORMAT);
    json_set_str(json, "checkpoint", facts->checkpoint);
    json_set_str(json, "bitmap", facts->bitmap);
    json_set_u64(json, "granularity", facts->granularity);
    json_set_u64(json, "size", facts->size);
    json_set_str(json, "path", facts->path);
    json_set_str(json, "image-format", facts->format);
    json_set_str(json, "host", facts->host);
    if (facts->has_inode)
        json_set_u64(json, "inode", facts->inode);
    else
        json_set_str(json, "inode", NULL);
    json_set_str(json, "redefine", facts->redefine);
    json_set(json, "witnesses", witnesses);
    CLEANUP_FREE char *line = json_format(json);
    if (trust_section_parse(line, strlen(line), &again, err) < 0)
        return err_prefix(err, "how a disk goes on could not be read back");
    if (strcmp(again.facts.path, facts->path) != 0)
        return err_set(err, ERR_UNSUPPORTED, "the path of a disk is not UTF-8");
    buf_append(ret, line, strlen(line));
    return 0;
}

static int get_inode(const struct json *json, struct trust *facts, struct err *err)
{
    const struct json *value = json_get(json, "inode");
    CLEANUP_FREE char *text = json_format(value);

    if (value && strcmp(text, "null") == 0)
        return 0;
    facts->has_inode = true;
    return fields_number(json, "inode", INT64_MAX, &facts->inode, err);
}

static int get_witnesses(const struct json *json, struct trust_section *section, struct err *err)
{
    const struct json *list = json_get(json, "witnesses");
    CLEANUP_FREE char *text = json_format(list);
    size_t count = json_length(list);

    if (!list || text[0] != '[' || count > LIMITS_WITNESSES)
        return err_set(err, ERR_CORRUPT, "its \"witnesses\" is not a list of at most %u",
                       LIMITS_WITNESSES);
    section->witnesses = mem_array(count + 1, sizeof(*section->witnesses));
    for (size_t i = 0; i < count; i++) {
        struct trust_witness *witness = &section->witnesses[section->witness_count++];
        if (fields_number(json_at(list, i), "offset", LIMITS_IMAGE, &witness->offset, err) < 0 ||
            fields_id(json_at(list, i), "id", &witness->id, err) < 0)
            return err_prefix(err, "witness %zu", i);
    }
    return 0;
}

int trust_section_parse(const void *data, size_t len, struct trust_section *ret, struct err *err)
{
    CLEANUP(json_freep) struct json *json = NULL;
    CLEANUP_TRUST_SECTION struct trust_section section = {0};
    struct trust *facts = &section.facts;

    if (fields_open(data, len, LIMITS_TRUST, &json, err) < 0 ||
        fields_text(json, "checkpoint", &facts->checkpoint, err) < 0 ||
        fields_text(json, "bitmap", &facts->bitmap, err) < 0 ||
        fields_number(json, "granularity", LIMITS_GRANULARITY_MAX, &facts->granularity, err) < 0 ||
        fields_number(json, "size", LIMITS_IMAGE, &facts->size, err) < 0 ||
        fields_text(json, "path", &facts->path, err) < 0 ||
        fields_text(json, "image-format", &facts->format, err) < 0 ||
        fields_text(json, "host", &facts->host, err) < 0 || get_inode(json, facts, err) < 0 ||
        fields_text(json, "redefine", &facts->redefine, err) < 0 ||
        get_witnesses(json, &section, err) < 0 || check_section(&section, err) < 0)
        return -1;
    *ret = section;
    section = (struct trust_section){0};
    return 0;
}

/* ---- flat ------------------------------------------------------------------------------------ */

void trust_section_flatten(const struct trust_section *section, struct buf *ret)
{
    const struct trust *facts = &section->facts;

    flat_put_text(ret, facts->checkpoint);
    flat_put_text(ret, facts->bitmap);
    buf_put_be64(ret, facts->granularity);
    buf_put_be64(ret, facts->size);
    flat_put_text(ret, facts->path);
    flat_put_text(ret, facts->format);
    flat_put_text(ret, facts->host);
    buf_put_u8(ret, facts->has_inode);
    buf_put_be64(ret, facts->inode);
    flat_put_text(ret, facts->redefine);
    buf_put_be32(ret, (uint32_t)section->witness_count);
    for (size_t i = 0; i < section->witness_count; i++) {
        buf_put_be64(ret, section->witnesses[i].offset);
        buf_append(ret, section->witnesses[i].id.bytes, ID_SIZE);
    }
}

static void take_facts(struct reader *reader, struct trust *facts)
{
    facts->checkpoint = flat_text(reader, LIMITS_TRUST);
    facts->bitmap = flat_text(reader, LIMITS_TRUST);
    facts->granularity = reader_be64(reader);
    facts->size = reader_be64(reader);
    facts->path = flat_text(reader, LIMITS_TRUST);
    facts->format = flat_text(reader, LIMITS_TRUST);
    facts->host = flat_text(reader, LIMITS_TRUST);
    uint8_t has_inode = reader_u8(reader);
    facts->has_inode = has_inode == 1;
    facts->inode = reader_be64(reader);
    facts->redefine = flat_text(reader, LIMITS_TRUST);
    if (has_inode > 1 || facts->inode > (has_inode ? (uint64_t)INT64_MAX : 0))
        reader->failed = true;
}

int trust_section_take(const void *data, size_t len, struct trust_section *ret, struct err *err)
{
    CLEANUP_TRUST_SECTION struct trust_section section = {0};
    struct reader reader = reader_of(data, len);

    take_facts(&reader, &section.facts);
    uint32_t count = reader_be32(&reader);
    if (reader.failed || count > LIMITS_WITNESSES)
        return err_set(err, ERR_CORRUPT, "its facts cannot be read");
    section.witnesses = mem_array((size_t)count + 1, sizeof(*section.witnesses));
    for (uint32_t i = 0; i < count; i++) {
        struct trust_witness *witness = &section.witnesses[section.witness_count++];
        witness->offset = reader_be64(&reader);
        const uint8_t *id = reader_bytes(&reader, ID_SIZE);
        if (id)
            memcpy(witness->id.bytes, id, ID_SIZE);
    }
    if (reader.failed || reader.left > 0)
        return err_set(err, ERR_CORRUPT, "its facts cannot be read");
    if (check_section(&section, err) < 0)
        return -1;
    *ret = section;
    section = (struct trust_section){0};
    return 0;
}
