/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/format/slot.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/digest.h"
#include "base/units.h"
#include "codec/zstd_whole.h"
#include "repository/format/slot_room.h"
#include "repository/format/slot_table.h"

static const char slot_magic[] = "VBPOINT1";
#define SLOT_MAGIC_SIZE 8
#define SLOT_SALT_SIZE 12
#define RESERVED_SIZE 16

void slot_clear(struct slot *slot)
{
    free(slot->sections);
    *slot = (struct slot){0};
}

/* ---- head ------------------------------------------------------------------------------------ */

static void format_slot_head(const struct slot *slot, const struct slot_id *id, struct buf *ret)
{
    static const uint8_t zeros[SLOT_SALT_SIZE + RESERVED_SIZE];

    buf_append(ret, slot_magic, SLOT_MAGIC_SIZE);
    buf_put_be32(ret, slot->kind);
    buf_put_be32(ret, slot->flags);
    buf_append(ret, id->repository.bytes, ID_SIZE);
    buf_append(ret, id->session.bytes, ID_SIZE);
    buf_append(ret, id->guest.bytes, ID_SIZE);
    buf_put_be32(ret, slot->section_count);
    buf_append(ret, zeros, sizeof(zeros));
}

/* Kind, flags and number of sections go together. */
static int check_slot_kind(const struct slot *slot, struct err *err)
{
    if (slot->kind < SLOT_POINT || slot->kind > SLOT_REMOVED)
        return err_set(err, ERR_CORRUPT, "is unreadable: its kind is %u", slot->kind);
    if (slot->kind != SLOT_POINT)
        return slot->flags || slot->section_count
                   ? err_set(err, ERR_CORRUPT, "is unreadable: a tombstone with flags or sections")
                   : 0;
    if (slot->section_count < 1 || slot->section_count > LIMITS_SECTIONS)
        return err_set(err, ERR_CORRUPT, "is unreadable: a point of %" PRIu32 " sections",
                       slot->section_count);
    return flags_check(slot->flags, FLAG_PARTIAL | FLAG_DERIVED, err);
}

int slot_parse_head(const uint8_t data[static SLOT_HEAD_SIZE], const struct slot_id *id,
                    struct slot *ret, struct err *err)
{
    static const uint8_t zeros[SLOT_SALT_SIZE + RESERVED_SIZE];
    struct reader reader = reader_of(data, SLOT_HEAD_SIZE);
    struct slot slot = {0};

    if (memcmp(reader_bytes(&reader, SLOT_MAGIC_SIZE), slot_magic, SLOT_MAGIC_SIZE) != 0)
        return err_set(err, ERR_CORRUPT, "is unreadable: it does not begin like a point");
    slot.kind = (enum slot_kind)reader_be32(&reader);
    slot.flags = reader_be32(&reader);
    if (memcmp(reader_bytes(&reader, ID_SIZE), id->repository.bytes, ID_SIZE) != 0)
        return err_set(err, ERR_CORRUPT, "is unreadable: it belongs to another repository");
    if (memcmp(reader_bytes(&reader, ID_SIZE), id->session.bytes, ID_SIZE) != 0 ||
        memcmp(reader_bytes(&reader, ID_SIZE), id->guest.bytes, ID_SIZE) != 0)
        return err_set(err, ERR_CORRUPT, "is unreadable: it is another point than its name says");
    slot.section_count = reader_be32(&reader);
    if (check_slot_kind(&slot, err) < 0)
        return -1;
    if (memcmp(reader_bytes(&reader, sizeof(zeros)), zeros, sizeof(zeros)) != 0)
        return err_set(err, ERR_CORRUPT, "is unreadable: reserved bytes of its head are not zero");
    *ret = slot;
    return 0;
}

/* ---- writing --------------------------------------------------------------------------------- */

void slot_format_tombstone(enum slot_kind kind, const struct slot_id *id,
                           uint8_t ret[static SLOT_TOMBSTONE_SIZE])
{
    const struct slot slot = {.kind = kind};
    CLEANUP_BUF struct buf bytes = {0};

    format_slot_head(&slot, id, &bytes);
    memcpy(ret, bytes.data, SLOT_HEAD_SIZE);
    digest_of(ret, SLOT_HEAD_SIZE, ret + SLOT_HEAD_SIZE);
}

void slot_writer_clear(struct slot_writer *writer)
{
    free(writer->sections);
    buf_clear(&writer->bytes);
    *writer = (struct slot_writer){0};
}

/* What was added before keeps within slot_room_most. A section that is stored as it is never changes that;
 * one that is compressed may. */
static bool may_be_stored_in(const struct slot_writer *writer, uint64_t room, size_t len)
{
    uint64_t size = SLOT_HEAD_SIZE + (writer->count + UINT64_C(1)) * SLOT_ENTRY_SIZE + DIGEST_SIZE;

    return room <= slot_room_most(size + writer->bytes.len + len);
}

/* With a section of len bytes. */
static int count_room(const struct slot_writer *writer, size_t len, uint64_t *ret, struct err *err)
{
    uint64_t room = slot_room_of(writer->sections, writer->count) + SLOT_ROOM_HEAD;

    if (!units_add(room, len, &room) || room > SLOT_ROOM_MAX)
        return err_set(err, ERR_UNSUPPORTED,
                       "the point would have more than the %" PRIu64
                       " bytes that can be read again, most of which say where the blocks of large "
                       "images are; exclude a disk, or back the guest up to an archive",
                       SLOT_ROOM_MAX);
    *ret = room;
    return 0;
}

int slot_writer_add(struct slot_writer *writer, const struct slot_added *added, struct err *err)
{
    struct slot_section section = {
        .type = added->type, .number = added->number, .raw_len = added->len};
    CLEANUP_BUF struct buf frame = {0};
    const void *data = added->data;
    size_t len = added->len;
    uint64_t room = 0;

    if (count_room(writer, len, &room, err) < 0)
        return -1;
    if (added->compress && len > 0 && zstd_whole_compress(added->data, len, &frame, err) < 0)
        return -1;
    section.compressed = frame.data && frame.len < len && may_be_stored_in(writer, room, frame.len);
    if (section.compressed) {
        data = frame.data;
        len = frame.len;
    }
    section.stored_len = len;
    slot_table_check_of(data, len, section.check);
    buf_append(&writer->bytes, data, len);
    writer->sections = mem_resize(writer->sections, writer->count + 1, sizeof(*writer->sections));
    writer->sections[writer->count++] = section;
    return 0;
}

int slot_writer_finish(struct slot_writer *writer, const struct slot_id *id, uint32_t flags,
                       struct buf *ret, struct err *err)
{
    const struct slot slot = {.kind = SLOT_POINT, .flags = flags, .section_count = writer->count};
    CLEANUP_SLOT struct slot again = {0};
    CLEANUP_BUF struct buf bytes = {0};
    CLEANUP_ERR struct err why = ERR_INIT;
    uint8_t sha256[DIGEST_SIZE];

    format_slot_head(&slot, id, &bytes);
    for (uint32_t i = 0; i < writer->count; i++)
        slot_table_format(&writer->sections[i], &bytes);
    buf_append(&bytes, writer->bytes.data, writer->bytes.len);
    digest_of(bytes.data, bytes.len, sha256);
    buf_append(&bytes, sha256, sizeof(sha256));
    if (slot_parse(bytes.data, bytes.len, id, &again, &why) < 0 ||
        slot_room_check(slot_room_of(again.sections, again.section_count), bytes.len, &why) < 0)
        return err_set(err, ERR_INTERNAL, "the point could not be read back: it %s", why.text);
    *ret = bytes;
    bytes = (struct buf){0};
    return 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

int slot_parse_start(const void *data, size_t len, const struct slot_id *id, struct slot *ret,
                     struct err *err)
{
    CLEANUP_SLOT struct slot slot = {0};

    if (len < SLOT_HEAD_SIZE)
        return err_set(err, ERR_CORRUPT, "is unreadable: it is too short");
    if (slot_parse_head(data, id, &slot, err) < 0)
        return -1;
    if (slot.kind != SLOT_POINT)
        return err_set(err, ERR_CORRUPT, "is unreadable: a tombstone that is too long");
    if ((len - SLOT_HEAD_SIZE) / SLOT_ENTRY_SIZE < slot.section_count)
        return err_set(err, ERR_CORRUPT, "is unreadable: it is too short");
    slot.sections = mem_array(slot.section_count, sizeof(*slot.sections));
    struct reader reader = reader_of((const uint8_t *)data + SLOT_HEAD_SIZE, len - SLOT_HEAD_SIZE);
    if (slot_table_parse(&reader, &slot, err) < 0)
        return err_prefix(err, "is unreadable");
    *ret = slot;
    slot = (struct slot){0};
    return 0;
}

/* All but the SHA-256 was found right, and len is longer than a tombstone. */
static int parse_point(const uint8_t *data, size_t len, const struct slot_id *id, struct slot *ret,
                       struct err *err)
{
    CLEANUP_SLOT struct slot slot = {0};

    if (slot_parse_start(data, len, id, &slot, err) < 0)
        return -1;
    if (slot.size != len)
        return err_set(err, ERR_CORRUPT,
                       "is unreadable: it has %zu bytes, and its sections %" PRIu64, len,
                       slot.size);
    for (uint32_t i = 0; i < slot.section_count; i++) {
        const struct slot_section *section = &slot.sections[i];
        if (slot_table_check(section, data + section->offset, err) < 0)
            return err_prefix(err, "is unreadable");
    }
    *ret = slot;
    slot = (struct slot){0};
    return 0;
}

int slot_parse(const void *data, size_t len, const struct slot_id *id, struct slot *ret,
               struct err *err)
{
    const uint8_t *bytes = data;
    uint8_t sha256[DIGEST_SIZE];

    if (len < SLOT_TOMBSTONE_SIZE)
        return err_set(err, ERR_CORRUPT, "is unreadable: it is too short");
    digest_of(data, len - DIGEST_SIZE, sha256);
    if (memcmp(sha256, bytes + len - DIGEST_SIZE, DIGEST_SIZE) != 0)
        return err_set(err, ERR_CORRUPT, "is unreadable: its SHA-256 differs");
    if (len > SLOT_TOMBSTONE_SIZE)
        return parse_point(data, len, id, ret, err);
    struct slot slot;
    if (slot_parse_head(data, id, &slot, err) < 0)
        return -1;
    if (slot.kind == SLOT_POINT)
        return err_set(err, ERR_CORRUPT, "is unreadable: a point as short as a tombstone");
    slot.size = SLOT_TOMBSTONE_SIZE;
    *ret = slot;
    return 0;
}

const struct slot_section *slot_find(const struct slot *slot, uint16_t type, uint32_t number)
{
    for (uint32_t i = 0; i < slot->section_count; i++)
        if (slot->sections[i].type == type && slot->sections[i].number == number)
            return &slot->sections[i];
    return NULL;
}

void slot_content_clear(struct slot_content *content)
{
    buf_clear(&content->own);
    *content = (struct slot_content){0};
}

int slot_open_section(const struct slot_section *section, const void *stored, uint64_t max,
                      struct slot_content *ret, struct err *err)
{
    struct slot_content content = {.data = stored, .len = (size_t)section->stored_len};

    if (section->raw_len > max)
        return err_set(err, ERR_CORRUPT, "section %u has %" PRIu64 " bytes, and may have %" PRIu64,
                       section->type, section->raw_len, max);
    if (slot_table_check(section, stored, err) < 0)
        return -1;
    if (section->compressed) {
        if (zstd_whole_decompress(stored, (size_t)section->stored_len, (size_t)section->raw_len,
                                  &content.own, err) < 0)
            return err_prefix(err, "section %u", section->type);
        content.data = content.own.data;
        content.len = content.own.len;
    }
    *ret = content;
    return 0;
}

int slot_append_section(const struct slot_section *section, const void *stored, struct buf *ret,
                        struct err *err)
{
    size_t len = (size_t)section->raw_len;

    if (slot_table_check(section, stored, err) < 0)
        return -1;
    uint8_t *room = buf_reserve(ret, len);
    if (section->compressed &&
        zstd_whole_decompress_to(stored, (size_t)section->stored_len, len, room, err) < 0)
        return err_prefix(err, "section %u", section->type);
    if (!section->compressed && len > 0)
        memcpy(room, stored, len);
    ret->len += len;
    return 0;
}
