/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/format/slot_table.h"

#include <inttypes.h>
#include <string.h>

#include "base/digest.h"
#include "base/units.h"

enum { STORED_AS_IS, STORED_ZSTD };

/* When a point has a section of a type. */
enum slot_presence {
    ALWAYS,
    NEVER,            /* of a plain repository */
    MANY,             /* of each disk; or none */
    OF_NEW,           /* the same, of points that are neither partial nor derived */
    OF_COMPLETE,      /* of those that are not partial */
    MAYBE_OF_COMPLETE /* the same, or not */
};

static const struct section_row {
    const char *name;
    uint64_t max; /* bytes before compression */
    enum slot_presence presence;
} section_rows[] = {
    [SLOT_PACKS] = {"PACKS", LIMITS_PACKS, ALWAYS},
    [SLOT_BOX] = {"BOX", 0, NEVER},
    [SLOT_DIGESTS] = {"DIGESTS", LIMITS_DIGESTS, ALWAYS},
    [SLOT_INFO] = {"INFO", LIMITS_INFO, ALWAYS},
    [SLOT_MAP] = {"MAP", LIMITS_MAP, MANY},
    [SLOT_TRUST] = {"TRUST", LIMITS_TRUST, OF_NEW},
    [SLOT_MANIFEST] = {"MANIFEST", LIMITS_MANIFEST, OF_COMPLETE},
    [SLOT_SMALL] = {"SMALL", LIMITS_SMALL, MAYBE_OF_COMPLETE},
};
#define SECTION_ROW_COUNT (sizeof(section_rows) / sizeof(section_rows[0]))

void slot_table_check_of(const void *data, size_t len, uint8_t ret[static SLOT_CHECK_SIZE])
{
    uint8_t sha256[DIGEST_SIZE];

    digest_of(data, len, sha256);
    memcpy(ret, sha256, SLOT_CHECK_SIZE);
}

int slot_table_check(const struct slot_section *section, const void *stored, struct err *err)
{
    uint8_t check[SLOT_CHECK_SIZE];

    slot_table_check_of(stored, (size_t)section->stored_len, check);
    if (memcmp(check, section->check, SLOT_CHECK_SIZE) != 0)
        return err_set(err, ERR_CORRUPT, "section %u is not what was written", section->type);
    return 0;
}

void slot_table_format(const struct slot_section *section, struct buf *ret)
{
    buf_put_u8(ret, (uint8_t)(section->type >> 8));
    buf_put_u8(ret, (uint8_t)section->type);
    buf_put_u8(ret, section->compressed ? STORED_ZSTD : STORED_AS_IS);
    buf_put_u8(ret, 0); /* not sealed */
    buf_put_be32(ret, section->number);
    buf_put_be64(ret, section->stored_len);
    buf_put_be64(ret, section->raw_len);
    buf_append(ret, section->check, SLOT_CHECK_SIZE);
}

/* NULL: a type that is passed over. */
static const struct section_row *row_of_section(const struct slot_section *section)
{
    return section->type < SECTION_ROW_COUNT ? &section_rows[section->type] : NULL;
}

bool slot_may_number(enum slot_type type, uint32_t number)
{
    enum slot_presence presence = section_rows[type].presence;
    bool numbered = presence == MANY || presence == OF_NEW;

    return (type == SLOT_MAP && number == SLOT_MEMORY) ||
           number <= (numbered ? LIMITS_DISKS - 1 : 0);
}

static int check_section_type(const struct slot_section *section, uint32_t flags, struct err *err)
{
    uint16_t type = section->type;

    if (type >= SLOT_TYPE_SKIPPED)
        return 0;
    if (type < SLOT_PACKS || type >= SECTION_ROW_COUNT)
        return err_set(err, ERR_UNSUPPORTED, "section %u is of an unknown type", type);
    enum slot_presence presence = section_rows[type].presence;
    bool partial = flags & FLAG_PARTIAL;
    if (presence == NEVER || (presence == OF_NEW && flags & (FLAG_PARTIAL | FLAG_DERIVED)) ||
        (presence == OF_COMPLETE && partial) || (presence == MAYBE_OF_COMPLETE && partial))
        return err_set(err, ERR_CORRUPT, "it cannot have a section %s", section_rows[type].name);
    if (!slot_may_number(type, section->number))
        return err_set(err, ERR_CORRUPT, "section %s cannot have number %" PRIu32,
                       section_rows[type].name, section->number);
    return 0;
}

static int check_section_lengths(const struct slot_section *section, struct err *err)
{
    const struct section_row *row = row_of_section(section);

    if (section->compressed ? section->stored_len >= section->raw_len || section->stored_len == 0
                            : section->stored_len != section->raw_len)
        return err_set(err, ERR_CORRUPT,
                       "section %u: %" PRIu64 " bytes cannot be stored as %" PRIu64, section->type,
                       section->raw_len, section->stored_len);
    if (row && section->raw_len > row->max)
        return err_set(err, ERR_CORRUPT, "section %s has %" PRIu64 " bytes, and may have %" PRIu64,
                       row->name, section->raw_len, row->max);
    if (section->type == SLOT_PACKS && section->compressed)
        return err_set(err, ERR_CORRUPT, "section PACKS is compressed");
    return 0;
}

static int parse_entry(struct reader *reader, struct slot_section *ret, struct err *err)
{
    uint16_t high = reader_u8(reader);

    ret->type = (uint16_t)(high << 8 | reader_u8(reader));
    uint8_t codec = reader_u8(reader);
    uint8_t seal = reader_u8(reader);
    ret->number = reader_be32(reader);
    ret->stored_len = reader_be64(reader);
    ret->raw_len = reader_be64(reader);
    const uint8_t *check = reader_bytes(reader, SLOT_CHECK_SIZE);
    if (reader_check(reader, "its table", err) < 0)
        return -1;
    if (codec > STORED_ZSTD)
        return err_set(err, ERR_CORRUPT, "section %u: unknown codec %u", ret->type, codec);
    if (seal != 0)
        return err_set(err, ERR_CORRUPT, "section %u is sealed", ret->type);
    ret->compressed = codec == STORED_ZSTD;
    memcpy(ret->check, check, SLOT_CHECK_SIZE);
    return 0;
}

static bool is_section_after(const struct slot_section *section, const struct slot_section *before)
{
    return section->type > before->type ||
           (section->type == before->type && section->number > before->number);
}

/* Those of one kind are there once at the most, because they are ascending. */
static int check_sections_are_there(const struct slot *slot, struct err *err)
{
    for (uint16_t type = SLOT_PACKS; type < SECTION_ROW_COUNT; type++) {
        enum slot_presence presence = section_rows[type].presence;
        bool wanted =
            presence == ALWAYS || (presence == OF_COMPLETE && !(slot->flags & FLAG_PARTIAL));
        if (wanted && !slot_find(slot, type, 0))
            return err_set(err, ERR_CORRUPT, "it has no section %s", section_rows[type].name);
    }
    return 0;
}

int slot_table_parse(struct reader *reader, struct slot *slot, struct err *err)
{
    uint64_t end = SLOT_HEAD_SIZE + (uint64_t)slot->section_count * SLOT_ENTRY_SIZE;

    for (uint32_t i = 0; i < slot->section_count; i++) {
        struct slot_section *section = &slot->sections[i];
        if (parse_entry(reader, section, err) < 0 ||
            check_section_type(section, slot->flags, err) < 0 ||
            check_section_lengths(section, err) < 0)
            return -1;
        if (i > 0 && !is_section_after(section, section - 1))
            return err_set(err, ERR_CORRUPT, "section %u is not in its place", section->type);
        section->offset = end;
        if (!units_add(end, section->stored_len, &end))
            return err_set(err, ERR_CORRUPT, "section %u is too long", section->type);
    }
    if (!units_add(end, DIGEST_SIZE, &slot->size))
        return err_set(err, ERR_CORRUPT, "its sections are too long");
    return check_sections_are_there(slot, err);
}
