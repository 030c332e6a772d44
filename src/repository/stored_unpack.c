/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/stored_unpack.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "repository/format/flags.h"
#include "repository/format/flat.h"
#include "repository/format/name.h"
#include "repository/format/slot_room.h"
#include "repository/format/trust_section.h"

/* ---- unpacking -------------------------------------------------------------------------------- */

static void put_optional_id(struct buf *ret, bool there, const struct id *id)
{
    buf_put_u8(ret, there);
    if (there)
        buf_append(ret, id->bytes, ID_SIZE);
}

static void put_unpacked_info(struct buf *ret, const struct info *info)
{
    flat_put_text(ret, info->name);
    flat_put_text(ret, info->host);
    flat_put_text(ret, info->program);
    buf_put_be64(ret, (uint64_t)info->taken_ms);
    buf_put_u8(ret, (uint8_t)info->state);
    buf_put_u8(ret, (uint8_t)info->consistency);
    buf_put_u8(ret, info->memory);
    buf_put_be64(ret, info->stored);
    put_optional_id(ret, info->has_base, &info->base);
    put_optional_id(ret, info->derived, &info->derived_from);
    buf_put_be32(ret, (uint32_t)info->tags.count);
    for (size_t i = 0; i < info->tags.count; i++)
        flat_put_text(ret, info->tags.items[i]);
    buf_put_be32(ret, (uint32_t)info->disk_count);
    for (size_t i = 0; i < info->disk_count; i++) {
        flat_put_text(ret, info->disks[i].target);
        buf_put_be64(ret, info->disks[i].size);
    }
}

int stored_unpack_size(const struct slot *slot, uint64_t *ret, struct err *err)
{
    uint64_t size = slot_room_of(slot->sections, slot->section_count);

    if (slot_room_check(size, slot->size, err) < 0)
        return -1;
    *ret = size;
    return 0;
}

/* Room for all of it at once: it is large, and for what is large there may be no memory. */
static int reserve_unpacked(const struct slot *slot, struct buf *ret, struct err *err)
{
    uint64_t size = 0;

    if (stored_unpack_size(slot, &size, err) < 0)
        return -1;
    ret->data = malloc((size_t)size);
    if (!ret->data)
        return err_set_errno(err, ENOMEM, "cannot get %" PRIu64 " bytes of memory", size);
    ret->cap = (size_t)size;
    return 0;
}

static bool is_unpacked_type(enum slot_type type)
{
    return type == SLOT_PACKS || type == SLOT_DIGESTS || type == SLOT_MAP || type == SLOT_TRUST ||
           type == SLOT_MANIFEST || type == SLOT_SMALL;
}

/* One that cannot be read counts as empty: the disk is only read whole. */
static void put_trust_section(struct buf *ret, const struct slot_section *section,
                              const uint8_t *stored)
{
    CLEANUP_SLOT_CONTENT struct slot_content content = {0};
    CLEANUP_TRUST_SECTION struct trust_section trust = {0};
    CLEANUP_BUF struct buf flat = {0};

    if (slot_open_section(section, stored, LIMITS_TRUST, &content, NULL) == 0 &&
        trust_section_parse(content.data, content.len, &trust, NULL) == 0)
        trust_section_flatten(&trust, &flat);
    buf_put_be64(ret, flat.len);
    buf_append(ret, flat.data, flat.len);
}

static int put_section(struct buf *ret, const struct slot_section *section, const uint8_t *slot,
                       struct err *err)
{
    if (!is_unpacked_type(section->type))
        return 0;
    buf_put_be32(ret, section->type);
    buf_put_be32(ret, section->number);
    if (section->type == SLOT_TRUST) {
        put_trust_section(ret, section, slot + section->offset);
        return 0;
    }
    buf_put_be64(ret, section->raw_len);
    return slot_append_section(section, slot + section->offset, ret, err);
}

static int put_info_section(struct buf *ret, const struct slot_section *section,
                            const uint8_t *stored, const struct id *guest, struct err *err)
{
    CLEANUP_SLOT_CONTENT struct slot_content content = {0};
    CLEANUP_INFO struct info info = {0};

    if (slot_open_section(section, stored, LIMITS_INFO, &content, err) < 0 ||
        info_parse(content.data, content.len, guest, &info, err) < 0)
        return -1;
    put_unpacked_info(ret, &info);
    return 0;
}

int stored_unpack_point(const void *data, size_t len, struct buf *ret, struct err *err)
{
    CLEANUP_SLOT struct slot slot = {0};
    struct slot_id id;

    if (len < sizeof(id))
        return err_set(err, ERR_INTERNAL, "there is no point to unpack");
    memcpy(&id, data, sizeof(id));
    const uint8_t *bytes = (const uint8_t *)data + sizeof(id);
    if (slot_parse(bytes, len - sizeof(id), &id, &slot, err) < 0)
        return -1;
    if (slot.kind != SLOT_POINT)
        return err_set(err, ERR_CORRUPT, "is unreadable: it changes while it is read");
    if (reserve_unpacked(&slot, ret, err) < 0)
        return -1;
    buf_put_be32(ret, slot.flags);
    const struct slot_section *info = slot_find(&slot, SLOT_INFO, 0);
    if (put_info_section(ret, info, bytes + info->offset, &id.guest, err) < 0)
        return err_prefix(err, "is unreadable");
    for (uint32_t i = 0; i < slot.section_count; i++)
        if (put_section(ret, &slot.sections[i], bytes, err) < 0)
            return err_prefix(err, "is unreadable");
    return 0;
}

int stored_unpack_info(const void *data, size_t len, struct buf *ret, struct err *err)
{
    struct slot_id id;
    struct slot_section section;
    const uint8_t *bytes = data;

    if (len < sizeof(id) + sizeof(section))
        return err_set(err, ERR_INTERNAL, "there are no facts to unpack");
    memcpy(&id, bytes, sizeof(id));
    memcpy(&section, bytes + sizeof(id), sizeof(section));
    if (section.stored_len != len - sizeof(id) - sizeof(section))
        return err_set(err, ERR_INTERNAL, "the facts to unpack are not whole");
    return put_info_section(ret, &section, bytes + sizeof(id) + sizeof(section), &id.guest, err) < 0
               ? err_prefix(err, "is unreadable")
               : 0;
}

/* ---- what they made --------------------------------------------------------------------------- */

static int fail_unpacked(const char *what, struct err *err)
{
    return err_set(err, ERR_CORRUPT, "its %s", what);
}

static bool take_bool(struct reader *reader)
{
    uint8_t value = reader_u8(reader);

    reader->failed = reader->failed || value > 1;
    return value == 1;
}

static bool take_optional_id(struct reader *reader, struct id *ret)
{
    bool there = take_bool(reader);
    const uint8_t *bytes = there ? reader_bytes(reader, ID_SIZE) : NULL;

    if (bytes)
        memcpy(ret->bytes, bytes, ID_SIZE);
    return there;
}

static int take_tags(struct reader *reader, struct info *info, struct err *err)
{
    uint32_t count = reader_be32(reader);

    if (reader->failed || count > LIMITS_POINT_TAGS)
        return fail_unpacked("tags are too many", err);
    for (uint32_t i = 0; i < count; i++) {
        CLEANUP_FREE char *tag = flat_text(reader, LIMITS_INFO);
        if (reader->failed || !name_is_tag(tag) || strings_has(&info->tags, tag))
            return fail_unpacked("tags are none", err);
        strings_add(&info->tags, tag);
    }
    return 0;
}

static int take_disks(struct reader *reader, struct info *info, struct err *err)
{
    uint32_t count = reader_be32(reader);

    if (reader->failed || count > LIMITS_DISKS)
        return fail_unpacked("disks are too many", err);
    for (uint32_t i = 0; i < count; i++) {
        CLEANUP_FREE char *target = flat_text(reader, LIMITS_INFO);
        uint64_t size = reader_be64(reader);
        bool bad = reader->failed || size > LIMITS_IMAGE;
        for (size_t j = 0; j < info->disk_count && !bad; j++)
            bad = strcmp(info->disks[j].target, target) == 0;
        if (bad)
            return fail_unpacked("disks are none", err);
        info_add_disk(info, target, size);
    }
    return 0;
}

static int take_info_from(struct reader *reader, const struct id *guest, struct info *ret,
                          struct err *err)
{
    CLEANUP_INFO struct info info = {.guest = *guest};

    info.name = flat_text(reader, LIMITS_INFO);
    info.host = flat_text(reader, LIMITS_INFO);
    info.program = flat_text(reader, LIMITS_INFO);
    info.taken_ms = flat_time_ms(reader);
    uint8_t state = reader_u8(reader), consistency = reader_u8(reader);
    info.memory = take_bool(reader);
    info.stored = reader_be64(reader);
    info.has_base = take_optional_id(reader, &info.base);
    info.derived = take_optional_id(reader, &info.derived_from);
    if (reader->failed || info.stored > INT64_MAX ||
        !manifest_state_name((enum manifest_state)state) ||
        !manifest_consistency_name((enum manifest_consistency)consistency))
        return fail_unpacked("facts are none", err);
    info.state = (enum manifest_state)state;
    info.consistency = (enum manifest_consistency)consistency;
    if (take_tags(reader, &info, err) < 0 || take_disks(reader, &info, err) < 0)
        return -1;
    *ret = info;
    info = (struct info){0};
    return 0;
}

int stored_unpack_begin(const void *data, size_t len, const struct id *guest,
                        struct unpacked_point *ret, struct err *err)
{
    struct unpacked_point point = {.sections = reader_of(data, len)};

    point.flags = reader_be32(&point.sections);
    if (point.sections.failed || point.flags & ~(FLAG_PARTIAL | FLAG_DERIVED))
        return fail_unpacked("flags are none", err);
    if (take_info_from(&point.sections, guest, &point.info, err) < 0)
        return -1;
    *ret = point;
    return 0;
}

int stored_unpack_next(struct unpacked_point *point, struct unpacked_section *ret, struct err *err)
{
    struct reader *reader = &point->sections;
    struct unpacked_section *last = &point->last;

    if (reader->left == 0)
        return 0;
    uint32_t type = reader_be32(reader), number = reader_be32(reader);
    uint64_t len = reader_be64(reader);
    const uint8_t *data = len <= reader->left ? reader_bytes(reader, (size_t)len) : NULL;
    if (!data || reader->failed || !is_unpacked_type(type) || !slot_may_number(type, number) ||
        type < (uint32_t)last->type || (type == (uint32_t)last->type && number <= last->number))
        return fail_unpacked("sections are none", err);
    *last = (struct unpacked_section){(enum slot_type)type, number, data, (size_t)len};
    *ret = *last;
    return 1;
}

int stored_unpack_take_info(const void *data, size_t len, const struct id *guest, struct info *ret,
                            struct err *err)
{
    struct reader reader = reader_of(data, len);

    if (take_info_from(&reader, guest, ret, err) < 0)
        return -1;
    if (reader.left == 0)
        return 0;
    info_clear(ret);
    return fail_unpacked("facts are too long", err);
}
