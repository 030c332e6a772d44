/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a slot holds. Its SHA-256 and the checks in its table are corrected, and what is in sections
 * is read by those that read it.
 */
#include "fuzz.h"

#include <string.h>

#include "base/digest.h"
#include "repository/format/info.h"
#include "repository/format/packs.h"
#include "repository/format/slot.h"
#include "repository/format/small_items.h"

#define MAX_RAW (UINT64_C(4) << 20)

static void correct_checks(struct buf *bytes)
{
    uint8_t sha256[DIGEST_SIZE];
    uint32_t count = get_be32(bytes->data + 64);
    uint64_t at = SLOT_HEAD_SIZE + (uint64_t)count * SLOT_ENTRY_SIZE;

    for (uint32_t i = 0; i < count && count <= LIMITS_SECTIONS && at <= bytes->len; i++) {
        uint8_t *entry = bytes->data + SLOT_HEAD_SIZE + (size_t)i * SLOT_ENTRY_SIZE;
        uint64_t len = get_be64(entry + 8);
        if (len > bytes->len - at)
            break;
        digest_of(bytes->data + at, (size_t)len, sha256);
        memcpy(entry + 24, sha256, SLOT_CHECK_SIZE);
        at += len;
    }
    digest_of(bytes->data, bytes->len - DIGEST_SIZE, bytes->data + bytes->len - DIGEST_SIZE);
}

static void check_equal(const struct slot_content *content, const struct buf *again)
{
    FUZZ_CHECK(again->len == content->len);
    FUZZ_CHECK(again->len == 0 || memcmp(again->data, content->data, again->len) == 0);
}

static void check_packs(const struct slot_content *content)
{
    CLEANUP_PACKS struct packs packs = {0}, added = {0};
    CLEANUP_BUF struct buf again = {0};

    if (packs_parse(content->data, content->len, &packs, NULL) < 0)
        return;
    for (uint32_t i = 0; i < packs.count; i++) {
        struct id session;
        uint32_t number = 0, place = 0;
        packs_at(&packs, i, &session, &number);
        FUZZ_CHECK(number < LIMITS_PACK_NUMBER);
        FUZZ_CHECK(packs_find(&packs, &session, number, &place) && place == i);
        FUZZ_CHECK(packs_add(&added, &session, number, NULL) == 0);
    }
    packs_format(&added, &again);
    check_equal(content, &again);
}

static void check_digests(const struct slot_content *content)
{
    CLEANUP_FREE struct pack_digest *digests = NULL;
    CLEANUP_BUF struct buf again = {0};
    uint32_t count = (uint32_t)(content->len / 44);

    if (packs_parse_digests(content->data, content->len, count, &digests, NULL) < 0)
        return;
    packs_format_digests(digests, count, &again);
    check_equal(content, &again);
}

/* What was read is written in one form, which stays. */
static void check_info(const struct slot_content *content, const struct id *guest)
{
    CLEANUP_INFO struct info info = {0}, second = {0};
    CLEANUP_BUF struct buf once = {0}, twice = {0};

    if (info_parse(content->data, content->len, guest, &info, NULL) < 0)
        return;
    FUZZ_CHECK(info.tags.count <= LIMITS_POINT_TAGS && info.disk_count <= LIMITS_DISKS);
    FUZZ_CHECK(info_format(&info, &once, NULL) == 0);
    FUZZ_CHECK(info_parse(once.data, once.len, guest, &second, NULL) == 0);
    FUZZ_CHECK(info_format(&second, &twice, NULL) == 0);
    FUZZ_CHECK(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
}

static void check_small(const struct slot_content *content)
{
    struct small_items items;
    CLEANUP_BUF struct buf again = {0};

    if (small_items_parse(content->data, content->len, &items, NULL) < 0)
        return;
    FUZZ_CHECK(items.count <= SMALL_ITEMS_MAX);
    FUZZ_CHECK(small_items_format(&items, &again, NULL) == 0);
    check_equal(content, &again);
}

static void check_section(const struct slot_section *section, const struct slot_content *content,
                          const struct slot_id *id)
{
    FUZZ_CHECK(content->len == section->raw_len);
    if (section->type == SLOT_PACKS)
        check_packs(content);
    if (section->type == SLOT_DIGESTS)
        check_digests(content);
    if (section->type == SLOT_INFO)
        check_info(content, &id->guest);
    if (section->type == SLOT_SMALL)
        check_small(content);
}

static void check_point(const struct slot *slot, const struct buf *bytes, const struct slot_id *id)
{
    CLEANUP_SLOT_WRITER struct slot_writer writer = {0};
    CLEANUP_BUF struct buf again = {0};
    uint64_t end = SLOT_HEAD_SIZE + (uint64_t)slot->section_count * SLOT_ENTRY_SIZE;
    bool opened = true, compressed = false;

    FUZZ_CHECK(slot_find(slot, SLOT_PACKS, 0) && slot_find(slot, SLOT_INFO, 0));
    for (uint32_t i = 0; i < slot->section_count; i++) {
        const struct slot_section *section = &slot->sections[i];
        CLEANUP_SLOT_CONTENT struct slot_content content = {0};
        FUZZ_CHECK(section->offset == end && section->stored_len <= bytes->len - end);
        end += section->stored_len;
        compressed |= section->compressed;
        if (slot_open_section(section, bytes->data + section->offset, MAX_RAW, &content, NULL) <
            0) {
            FUZZ_CHECK(section->compressed || section->raw_len > MAX_RAW);
            opened = false;
            continue;
        }
        check_section(section, &content, id);
        struct slot_added added = {section->type, section->number, content.data, content.len,
                                   section->compressed};
        FUZZ_CHECK(slot_writer_add(&writer, &added, NULL) == 0);
    }
    FUZZ_CHECK(end + DIGEST_SIZE == bytes->len && slot->size == bytes->len);
    if (!opened)
        return;
    FUZZ_CHECK(slot_writer_finish(&writer, id, slot->flags, &again, NULL) == 0);
    FUZZ_CHECK(compressed ||
               (again.len == bytes->len && memcmp(again.data, bytes->data, again.len) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_BUF struct buf bytes = {0};
    CLEANUP_SLOT struct slot slot = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    struct slot_id id = {0};

    buf_append(&bytes, data, size);
    if (size >= SLOT_TOMBSTONE_SIZE) {
        memcpy(id.repository.bytes, data + 16, ID_SIZE);
        memcpy(id.session.bytes, data + 32, ID_SIZE);
        memcpy(id.guest.bytes, data + 48, ID_SIZE);
        correct_checks(&bytes);
    }
    if (slot_parse(bytes.data, bytes.len, &id, &slot, &err) < 0) {
        FUZZ_CHECK(err.text && (err.kind == ERR_CORRUPT || err.kind == ERR_UNSUPPORTED));
    } else if (slot.kind == SLOT_POINT) {
        check_point(&slot, &bytes, &id);
    } else {
        uint8_t tombstone[SLOT_TOMBSTONE_SIZE];
        slot_format_tombstone(slot.kind, &id, tombstone);
        FUZZ_CHECK(bytes.len == sizeof(tombstone));
        FUZZ_CHECK(memcmp(tombstone, bytes.data, sizeof(tombstone)) == 0);
    }
    return 0;
}
