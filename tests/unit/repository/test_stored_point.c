/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/array.h"
#include "base/digest.h"
#include "made_point.h"
#include "one_object.h"
#include "repository/format/flags.h"
#include "repository/format/name.h"
#include "repository/format/slot_room.h"
#include "repository/stored_point.h"
#include "repository/stored_unpack.h"

#define SLOT_NAME "p/default/02020202020202020202020202020202/03030303030303030303030303030303"

static int read_stored(const struct made_point *made, const struct buf *bytes,
                       struct stored_point **ret, struct err *err)
{
    struct one_object object = one_object_of(SLOT_NAME, bytes->data, bytes->len);
    const struct stored_scope scope = {&object.store, made->id.repository, "default"};
    const struct point_id id = {made->id.guest, made->id.session};

    return stored_point_read(&scope, &id, ret, err);
}

static void a_point_is_read(void **state)
{
    CLEANUP_MADE_POINT struct made_point made = made_point_usual();
    CLEANUP_BUF struct buf bytes = made_point_bytes(&made);
    CLEANUP(stored_point_freep) struct stored_point *point = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    if (read_stored(&made, &bytes, &point, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(point->packs.count, 3);
    assert_int_equal(point->digests[2].size, made.digests[2].size);
    assert_string_equal(point->info.name, "web");
    assert_int_equal(point->manifest.len, 9);
    assert_memory_equal(point->manifest.data, "<domain/>", 9);
    assert_int_equal(point->small.count, 1);
    assert_memory_equal(point->small.items[0].data, "nv", 2);
    assert_int_equal(point->image_count, 3);
    assert_null(stored_point_image(point, 2));
    for (unsigned i = 0; i < 3; i++) {
        const struct made_image *image = &made.images[i];
        const struct stored_image *found = stored_point_image(point, image->number);
        struct map_reader reader;
        struct map_run run;
        assert_ptr_equal(found, &point->images[i]);
        assert_int_equal(found->size, image->size);
        stored_point_walk(point, found, &reader);
        for (unsigned j = 0; j < image->run_count; j++) {
            assert_int_equal(map_reader_next(&reader, &run, NULL), 1);
            assert_memory_equal(&run, &image->runs[j], sizeof(run));
        }
        assert_int_equal(map_reader_next(&reader, &run, NULL), 0);
    }
    struct pack_id pack = stored_point_pack(point, 2);
    assert_int_equal(pack.number, 1);
    assert_int_equal(id_compare(&pack.session, &made.id.session), 0);
    assert_int_equal(id_compare(&pack.repository, &made.id.repository), 0);
}

static void a_partial_point_has_no_manifest(void **state)
{
    CLEANUP_MADE_POINT struct made_point made = made_point_usual();
    CLEANUP(stored_point_freep) struct stored_point *point = NULL;

    (void)state;
    made.flags = FLAG_PARTIAL;
    made.more_count = 0;
    CLEANUP_BUF struct buf bytes = made_point_bytes(&made);
    assert_int_equal(read_stored(&made, &bytes, &point, NULL), 0);
    assert_int_equal(point->flags, FLAG_PARTIAL);
    assert_int_equal(point->manifest.len, 0);
    assert_int_equal(point->small.count, 0);
}

/* A guest without disks and memory has nothing in packs. */
static void a_point_may_have_no_images(void **state)
{
    CLEANUP_MADE_POINT struct made_point made = made_point_usual();
    CLEANUP(stored_point_freep) struct stored_point *point = NULL;

    (void)state;
    packs_clear(&made.packs);
    made.digest_count = made.image_count = 0;
    made.info.memory = false;
    for (size_t i = 0; i < made.info.disk_count; i++)
        free(made.info.disks[i].target);
    made.info.disk_count = 0;
    CLEANUP_BUF struct buf bytes = made_point_bytes(&made);
    assert_int_equal(read_stored(&made, &bytes, &point, NULL), 0);
    assert_int_equal(point->image_count, 0);
    assert_int_equal(point->packs.count, 0);
}

/* ---- parts that do not agree ------------------------------------------------------------------ */

static void with_a_map_too_many(struct made_point *made)
{
    made->images[3] = made->images[2];
    made->images[2] = (struct made_image){.number = 2, .size = LIMITS_BLOCK};
    made->image_count = 4;
}

static void with_a_map_too_few(struct made_point *made)
{
    made->images[0].runs[2] = (struct map_run){8, 1, 0, 0};
    made->images[0].run_count = 3;
    made->images[1] = made->images[2];
    made->image_count = 2;
}

static void with_numbers_that_have_a_gap(struct made_point *made)
{
    made->images[1].number = 2;
}

static void with_a_map_of_no_memory(struct made_point *made)
{
    made->info.memory = false;
}

static void with_memory_and_no_map(struct made_point *made)
{
    made->image_count--;
}

static void with_another_size(struct made_point *made)
{
    made->info.disks[1].size--;
}

static void with_a_pack_that_no_map_uses(struct made_point *made)
{
    made->images[1].run_count = 0;
}

static void with_a_run_beyond_its_pack(struct made_point *made)
{
    made->digests[0].block_count--;
}

static void with_a_digest_too_few(struct made_point *made)
{
    made->digest_count--;
}

static void with_a_digest_of_no_pack(struct made_point *made)
{
    made->digests[0].size = 1;
}

static void with_facts_of_another_guest(struct made_point *made)
{
    made->info.guest.bytes[0]++;
}

static void with_the_facts_of_a_copy(struct made_point *made)
{
    made->info.derived = true;
}

static void with_small_items_that_are_none(struct made_point *made)
{
    made->more[1].len--;
}

static void with_trust_in_no_disk(struct made_point *made)
{
    made->more[2] = made->more[1];
    made->more[1] = made->more[0];
    made->more[0] = (struct slot_added){SLOT_TRUST, 2, "{}", 2, false};
    made->more_count = 3;
}

static const struct {
    void (*change)(struct made_point *made);
    const char *text;
} changes[] = {
    {with_a_map_too_many, "disk 2: there is a map, but no image"},
    {with_a_map_too_few, "it has 2 maps, and 3 images"},
    {with_numbers_that_have_a_gap, "disk 2: there is a map, but no image"},
    {with_a_map_of_no_memory, "memory: there is a map, but no image"},
    {with_memory_and_no_map, "it has 2 maps, and 3 images"},
    {with_another_size, "disk 'vdb': its map is of 196609 bytes"},
    {with_a_pack_that_no_map_uses, "it names 3 packs, and its maps use 2"},
    {with_a_run_beyond_its_pack, "disk 'vdb': "},
    {with_a_digest_too_few, "the digests of 3 packs"},
    {with_a_digest_of_no_pack, "no pack"},
    {with_facts_of_another_guest, "its UUID is"},
    {with_the_facts_of_a_copy, "made from another point"},
    {with_small_items_that_are_none, "its section SMALL is too short"},
    {with_trust_in_no_disk, "has no such disk"},
};

static void parts_that_do_not_agree_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(changes); i++) {
        CLEANUP_MADE_POINT struct made_point made = made_point_usual();
        CLEANUP(stored_point_freep) struct stored_point *point = NULL;
        CLEANUP_ERR struct err err = ERR_INIT;
        changes[i].change(&made);
        CLEANUP_BUF struct buf bytes = made_point_bytes(&made);
        if (read_stored(&made, &bytes, &point, &err) == 0)
            fail_msg("'%s' was not refused", changes[i].text);
        assert_int_equal(err.kind, ERR_CORRUPT);
        if (!strstr(err.text, changes[i].text) || !strstr(err.text, "memory/" SLOT_NAME ": is unr"))
            fail_msg("'%s' instead of '%s'", err.text, changes[i].text);
    }
}

static void a_copy_need_not_be_of_a_point(void **state)
{
    CLEANUP_MADE_POINT struct made_point made = made_point_usual();
    CLEANUP(stored_point_freep) struct stored_point *point = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    made.flags = FLAG_DERIVED;
    CLEANUP_BUF struct buf bytes = made_point_bytes(&made);
    assert_int_equal(read_stored(&made, &bytes, &point, &err), 0);
    assert_int_equal(point->flags, FLAG_DERIVED);
    assert_false(point->info.derived);
}

static void every_flipped_bit_is_seen(void **state)
{
    CLEANUP_MADE_POINT struct made_point made = made_point_usual();
    CLEANUP_BUF struct buf bytes = made_point_bytes(&made);
    struct stored_point *point = NULL;

    (void)state;
    for (size_t i = 0; i < bytes.len * 8; i++) {
        bytes.data[i / 8] ^= (uint8_t)(1u << i % 8);
        if (read_stored(&made, &bytes, &point, NULL) == 0)
            fail_msg("bit %zu", i);
        bytes.data[i / 8] ^= (uint8_t)(1u << i % 8);
    }
}

/* Of the map, which is compressed and says that it has so many bytes. */
static enum err_kind unpack_with_raw_len(uint64_t raw_len, struct err *err)
{
    CLEANUP_MADE_POINT struct made_point made = made_point_usual();
    CLEANUP_BUF struct buf bytes = made_point_bytes(&made), input = {0}, ret = {0};
    CLEANUP_SLOT struct slot slot = {0};

    assert_int_equal(slot_parse(bytes.data, bytes.len, &made.id, &slot, NULL), 0);
    uint32_t place = (uint32_t)(slot_find(&slot, SLOT_MAP, 0) - slot.sections);
    uint8_t *entry = bytes.data + SLOT_HEAD_SIZE + place * SLOT_ENTRY_SIZE;
    entry[2] = 1; /* zstd */
    for (unsigned i = 0; i < 8; i++)
        entry[16 + i] = (uint8_t)(raw_len >> (56 - 8 * i));
    digest_of(bytes.data, bytes.len - DIGEST_SIZE, bytes.data + bytes.len - DIGEST_SIZE);
    buf_append(&input, &made.id, sizeof(made.id));
    buf_append(&input, bytes.data, bytes.len);
    assert_int_equal(stored_unpack_point(input.data, input.len, &ret, err), -1);
    return err->kind;
}

static void what_says_that_it_is_huge_is_damaged(void **state)
{
    CLEANUP_ERR struct err large = ERR_INIT, larger = ERR_INIT;

    (void)state;
    assert_int_equal(slot_room_most(1000), UINT64_C(64000) + (UINT64_C(384) << 20));
    assert_int_equal(slot_room_most(UINT64_C(1) << 40), SLOT_ROOM_MAX);
    assert_int_equal(unpack_with_raw_len(UINT64_C(1) << 20, &large), ERR_CORRUPT);
    assert_null(strstr(large.text, "when it is unpacked"));
    assert_int_equal(unpack_with_raw_len(UINT64_C(390) << 20, &larger), ERR_CORRUPT);
    assert_non_null(strstr(larger.text, "when it is unpacked, and may have"));
}

/* Before memory is asked for: there may be so many bytes, in a hole. */
static void what_is_too_large_is_refused_by_its_table(void **state)
{
    static const uint8_t type[2] = {SLOT_TYPE_SKIPPED >> 8, 1};
    CLEANUP_MADE_POINT struct made_point made = made_point_usual();
    CLEANUP_BUF struct buf bytes = made_point_bytes(&made);
    CLEANUP_SLOT struct slot slot = {0};
    struct stored_point *point = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(slot_parse(bytes.data, bytes.len, &made.id, &slot, NULL), 0);
    uint32_t place = (uint32_t)(slot_find(&slot, SLOT_SMALL, 0) - slot.sections);
    uint8_t *entry = bytes.data + SLOT_HEAD_SIZE + place * SLOT_ENTRY_SIZE;
    memcpy(entry, type, sizeof(type));
    entry[2] = 0;     /* not compressed */
    entry[8 + 2] = 1; /* more than 1 TiB */
    memcpy(entry + 16, entry + 8, 8);
    assert_int_equal(read_stored(&made, &bytes, &point, &err), -1);
    assert_int_equal(err.kind, ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "p/default/"));
    assert_non_null(strstr(err.text, "when it is unpacked"));
}

static void every_other_length_is_seen(void **state)
{
    CLEANUP_MADE_POINT struct made_point made = made_point_usual();
    CLEANUP_BUF struct buf bytes = made_point_bytes(&made);
    struct stored_point *point = NULL;
    size_t len = bytes.len;

    (void)state;
    for (bytes.len = 0; bytes.len < len; bytes.len++)
        assert_int_equal(read_stored(&made, &bytes, &point, NULL), -1);
    buf_append(&bytes, "", 1);
    assert_int_equal(read_stored(&made, &bytes, &point, NULL), -1);
}

static void tombstones_say_what_became_of_the_point(void **state)
{
    static const char *const texts[] = {
        [SLOT_FENCED] = "taken for dead", [SLOT_GIVEN_UP] = "failed", [SLOT_REMOVED] = "removed"};
    CLEANUP_MADE_POINT struct made_point made = made_point_usual();
    struct stored_point *point = NULL;

    (void)state;
    for (enum slot_kind kind = SLOT_FENCED; kind <= SLOT_REMOVED; kind++) {
        uint8_t tombstone[SLOT_TOMBSTONE_SIZE];
        const struct buf bytes = {tombstone, sizeof(tombstone), 0};
        CLEANUP_ERR struct err err = ERR_INIT;
        slot_format_tombstone(kind, &made.id, tombstone);
        assert_int_equal(read_stored(&made, &bytes, &point, &err), -1);
        assert_int_equal(err.kind, ERR_NOT_FOUND);
        assert_non_null(strstr(err.text, texts[kind]));
    }
}

/* ---- a parser that was taken over ------------------------------------------------------------- */

struct lying_parser {
    size_t at; /* the bit that it flips */
    size_t len;
};

static int lie(void *opaque, const struct parser_task *task, struct buf *ret, struct err *err)
{
    struct lying_parser *lying = opaque;

    assert_int_equal(task->function(task->data, task->len, ret, err), 0);
    lying->len = ret->len;
    if (lying->at < ret->len * 8)
        ret->data[lying->at / 8] ^= (uint8_t)(1u << lying->at % 8);
    return 0;
}

/* What is believed keeps all promises. */
static void is_a_whole_point(const struct stored_point *point)
{
    assert_int_equal(point->image_count, point->info.disk_count + point->info.memory);
    assert_int_equal(point->map_packs.count, point->packs.count);
    for (uint32_t i = 0; i < point->image_count; i++) {
        struct map_reader reader;
        struct map_run run;
        int more;
        stored_point_walk(point, &point->images[i], &reader);
        assert_int_equal(reader.size, point->images[i].size);
        while ((more = map_reader_next(&reader, &run, NULL)) > 0)
            assert_true(run.pack < point->packs.count &&
                        run.first + run.count <= point->digests[run.pack].block_count);
        assert_int_equal(more, 0);
    }
    for (size_t i = 0; i < point->small.count; i++)
        assert_true(point->small.items[i].data >= point->unpacked.data &&
                    point->small.items[i].data + point->small.items[i].len <=
                        point->unpacked.data + point->unpacked.len);
}

static void nothing_that_a_parser_says_does_harm(void **state)
{
    CLEANUP_MADE_POINT struct made_point made = made_point_usual();
    CLEANUP_BUF struct buf bytes = made_point_bytes(&made);
    struct one_object object = one_object_of(SLOT_NAME, bytes.data, bytes.len);
    struct lying_parser lying = {.at = SIZE_MAX};
    const struct parser parser = {&lying, lie};
    const struct stored_scope scope = {&object.store, made.id.repository, "default", &parser};
    const struct point_id id = {made.id.guest, made.id.session};
    size_t refused = 0;

    (void)state;
    for (size_t bit = 0; bit == 0 || bit < lying.len * 8; bit++) {
        CLEANUP(stored_point_freep) struct stored_point *point = NULL;
        if (stored_point_read(&scope, &id, &point, NULL) == 0)
            is_a_whole_point(point);
        else
            refused++;
        lying.at = bit;
    }
    assert_true(refused > lying.len); /* most of them */
    lying.len = 1;
    for (size_t bit = 0; bit < lying.len * 8; bit++) {
        CLEANUP_STORED_SUMMARY struct stored_summary summary = {0};
        lying.at = bit;
        (void)stored_point_summary(&scope, &id, &summary, NULL);
    }
}

/* As the first of a section there is only once, with another number behind it. */
static int repeat(void *opaque, const struct parser_task *task, struct buf *ret, struct err *err)
{
    const enum slot_type *type = opaque;
    CLEANUP_BUF struct buf honest = {0};
    const struct id *guest = &((const struct slot_id *)task->data)->guest;
    struct unpacked_point unpacked;
    struct unpacked_section section;

    assert_int_equal(task->function(task->data, task->len, &honest, err), 0);
    assert_int_equal(stored_unpack_begin(honest.data, honest.len, guest, &unpacked, err), 0);
    info_clear(&unpacked.info);
    buf_append(ret, honest.data, honest.len - unpacked.sections.left);
    while (stored_unpack_next(&unpacked, &section, err) > 0)
        for (uint32_t more = 0; more < 1u + (section.type == *type); more++) {
            buf_put_be32(ret, section.type);
            buf_put_be32(ret, section.number + more);
            buf_put_be64(ret, section.len);
            buf_append(ret, section.data, section.len);
        }
    return 0;
}

static void a_parser_cannot_give_a_section_twice(void **state)
{
    static const enum slot_type types[] = {SLOT_PACKS, SLOT_DIGESTS, SLOT_MANIFEST, SLOT_SMALL};
    CLEANUP_MADE_POINT struct made_point made = made_point_usual();
    CLEANUP_BUF struct buf bytes = made_point_bytes(&made);
    struct one_object object = one_object_of(SLOT_NAME, bytes.data, bytes.len);
    const struct point_id id = {made.id.guest, made.id.session};

    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        enum slot_type type = types[i];
        const struct parser parser = {&type, repeat};
        const struct stored_scope scope = {&object.store, made.id.repository, "default", &parser};
        CLEANUP(stored_point_freep) struct stored_point *point = NULL;
        CLEANUP_ERR struct err err = ERR_INIT;
        assert_int_equal(stored_point_read(&scope, &id, &point, &err), -1);
        assert_non_null(strstr(err.text, "sections are none"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_point_is_read),
        cmocka_unit_test(a_partial_point_has_no_manifest),
        cmocka_unit_test(a_point_may_have_no_images),
        cmocka_unit_test(parts_that_do_not_agree_are_refused),
        cmocka_unit_test(a_copy_need_not_be_of_a_point),
        cmocka_unit_test(every_flipped_bit_is_seen),
        cmocka_unit_test(what_says_that_it_is_huge_is_damaged),
        cmocka_unit_test(what_is_too_large_is_refused_by_its_table),
        cmocka_unit_test(every_other_length_is_seen),
        cmocka_unit_test(tombstones_say_what_became_of_the_point),
        cmocka_unit_test(nothing_that_a_parser_says_does_harm),
        cmocka_unit_test(a_parser_cannot_give_a_section_twice),
    };

    return cmocka_run_group_tests_name("repository stored_point", tests, NULL, NULL);
}
