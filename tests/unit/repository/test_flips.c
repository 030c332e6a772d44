/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Bits of a small pack - head, frames, index, tail - and of a small point are flipped, one at a time,
 * and each is cut after some of its bytes: a check must find all of it. With VIRT_BACKUP_FLIPS=all in
 * the environment it is every bit and every byte, else one of many, from a place chosen at random.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/digest.h"
#include "object_file.h"
#include "repository/check.h"

/* Two frames, of two blocks and of a short one. */
#define DISK (2 * (uint64_t)LIMITS_BLOCK)
#define SHORT ((uint64_t)1048576 + 777)

/* How many bits, or bytes, lie between two that are tried. */
static size_t stride_of(size_t usual)
{
    const char *which = getenv("VIRT_BACKUP_FLIPS");

    return which && strcmp(which, "all") == 0 ? 1 : usual;
}

static size_t first_of(size_t stride)
{
    size_t first = (size_t)time(NULL) % stride;

    print_message("from %zu on, each %zu\n", first, stride);
    return first;
}

struct flips_world {
    struct small_backup backup;
    uint8_t *data;
    struct point_id point;
    char *name; /* owned: of the object that is damaged */
    struct buf good;
};

static void end_flips_world(struct flips_world *world)
{
    small_backup_end(&world->backup);
    buf_clear(&world->good);
    free(world->data);
    free(world->name);
}
#define CLEANUP_FLIPS_WORLD CLEANUP(end_flips_world)

static void begin_flips_world(struct flips_world *world, const char *codec)
{
    *world = (struct flips_world){.data = calloc(1, SHORT)};
    struct small_image image = {0, world->data, SHORT};

    small_backup_begin(&world->backup, codec);
    memset(world->data, 'a', DISK);
    memset(world->data + LIMITS_BLOCK, 'b', LIMITS_BLOCK);
    memset(world->data + 1048576, 'c', SHORT - 1048576);
    world->point = small_backup_take(&world->backup, &image, 1);
    assert_int_equal(world->backup.pack_count, 1);
}

static void choose_pack(struct flips_world *world)
{
    world->name = stored_point_pack_name(&world->backup.scope, &world->backup.packs[0].id);
    world->good = object_file_get(&world->backup, world->name);
}

static void choose_point(struct flips_world *world)
{
    world->name = objects_name(&world->backup.scope, NAME_SLOT, &world->point, 0);
    world->good = object_file_get(&world->backup, world->name);
}

static int decode_flipped(void *opaque, enum codec_type codec, const struct chunk_source *source,
                          const struct chunk_sink *sink, struct err *err)
{
    (void)opaque;
    return small_backup_pool(source, sink, codec, err);
}

static bool is_found(struct flips_world *world, enum small_level level)
{
    static const struct check_children children = {NULL, decode_flipped};
    const struct check_request request = {.scope = &world->backup.scope,
                                          .id_salt = world->backup.folder.repository->id_salt,
                                          .level = level,
                                          .children = &children};
    CLEANUP(check_closep) struct points_check *check = NULL;
    CLEANUP_CHECK_RESULT struct check_result result = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    if (check_open(&request, &check, &err) < 0)
        fail_msg("%s", err.text);
    /* What no longer looks like a point is not found as one, which is an error. */
    return check_point(check, &world->point, &result, &err) < 0 || !result.good;
}

/* Some bits of a codec's framing mean nothing. */
static bool restores_right(struct flips_world *world)
{
    CLEANUP(stored_point_freep) struct stored_point *point = NULL;
    CLEANUP_FREE uint8_t *found = malloc(SHORT);

    assert_int_equal(stored_point_read(&world->backup.scope, &world->point, &point, NULL), 0);
    return small_backup_restore(&world->backup, point, 0, found, SHORT, NULL) == 0 &&
           memcmp(found, world->data, SHORT) == 0;
}

/* Writes over what is there: a file that is emptied first is flushed by some file systems. */
static void put_damaged(const struct flips_world *world, const void *data, size_t len)
{
    CLEANUP_FREE char *path = small_backup_file(&world->backup, world->name);
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, len, 0), len);
    assert_int_equal(ftruncate(fd, (off_t)len), 0);
}

static void set_tail(struct buf *bytes)
{
    digest_of(bytes->data, bytes->len - DIGEST_SIZE, bytes->data + bytes->len - DIGEST_SIZE);
}

/* sealed: the SHA-256 at the end is made right again, so that what comes behind it must find the
 * change, or it changes nothing of what is restored. */
static void flip_all(struct flips_world *world, enum small_level level, bool sealed)
{
    size_t len = world->good.len - (sealed ? DIGEST_SIZE : 0), stride = stride_of(61);

    assert_false(is_found(world, level));
    for (size_t bit = first_of(stride); bit < len * 8; bit += stride) {
        CLEANUP_BUF struct buf bytes = {0};
        buf_append(&bytes, world->good.data, world->good.len);
        bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (sealed)
            set_tail(&bytes);
        put_damaged(world, bytes.data, bytes.len);
        if (!is_found(world, level) && !(sealed && restores_right(world)))
            fail_msg("bit %zu of byte %zu of %zu: not found", bit % 8, bit / 8, world->good.len);
    }
    put_damaged(world, world->good.data, world->good.len);
    assert_false(is_found(world, level));
}

static void cut_all(struct flips_world *world)
{
    size_t stride = stride_of(13);

    for (size_t len = first_of(stride); len < world->good.len; len += stride) {
        put_damaged(world, world->good.data, len);
        if (!is_found(world, LEVEL_OBJECTS))
            fail_msg("what is cut after %zu of %zu bytes is not found", len, world->good.len);
    }
    buf_put_u8(&world->good, 0);
    put_damaged(world, world->good.data, world->good.len);
    assert_true(is_found(world, LEVEL_OBJECTS));
}

static void a_flipped_bit_of_a_pack_is_found(void **state)
{
    CLEANUP_FLIPS_WORLD struct flips_world world;

    (void)state;
    begin_flips_world(&world, "zstd:3");
    choose_pack(&world);
    flip_all(&world, LEVEL_STORED, false);
}

static void a_flipped_bit_of_a_sealed_pack_is_found_or_harmless(void **state)
{
    static const char *const codecs[] = {"zstd:3", "lzma:0"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        CLEANUP_FLIPS_WORLD struct flips_world world;
        begin_flips_world(&world, codecs[i]);
        choose_pack(&world);
        flip_all(&world, LEVEL_DATA, true);
    }
}

static void a_flipped_bit_of_a_point_is_found(void **state)
{
    CLEANUP_FLIPS_WORLD struct flips_world world;

    (void)state;
    begin_flips_world(&world, "zstd:3");
    choose_point(&world);
    flip_all(&world, LEVEL_OBJECTS, false);
}

static void what_is_cut_or_longer_is_found(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        CLEANUP_FLIPS_WORLD struct flips_world world;
        begin_flips_world(&world, "zstd:3");
        i ? choose_pack(&world) : choose_point(&world);
        cut_all(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flipped_bit_of_a_pack_is_found),
        cmocka_unit_test(a_flipped_bit_of_a_sealed_pack_is_found_or_harmless),
        cmocka_unit_test(a_flipped_bit_of_a_point_is_found),
        cmocka_unit_test(what_is_cut_or_longer_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
