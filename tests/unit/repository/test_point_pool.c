/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Backups that take several sessions, through the real pool: while one thread changes the session,
 * another reads ahead, and others hash and put packs. Worth running with -Db_sanitize=thread, too.
 */
#include <string.h>

#include "../chance.h"
#include "../store/memory_store.h"
#include "backups.h"
#include "mtcp/pool.h"
#include "repository/keep/marks.h"
#include "repository/listing.h"

#define MIB (UINT64_C(1) << 20)
#define BLOCK ((size_t)LIMITS_BLOCK)
#define DISK_MIB 70u
#define DISK_BLOCKS (DISK_MIB * 16)
#define CHILDREN_MAX 3u /* or one */

static struct spawner *spawner;

static int start_spawner(void **state)
{
    (void)state;
    spawner = spawner_start(NULL, NULL);
    return spawner ? 0 : -1;
}

static int end_spawner(void **state)
{
    (void)state;
    spawner_free(spawner);
    return 0;
}

struct night {
    struct memory *memory;
    struct repository *repository;
    struct stored_scope scope;
    uint8_t *data;
    struct backup_disk disk;
    struct backup backup;
    unsigned children;
    const struct chunk_source *read; /* the source that is wrapped */
    struct point_id base;
    uint64_t trash_at; /* chunk of the disk before which the base goes; UINT64_MAX: it stays */
};

static void night_end(struct night *night)
{
    repository_close(night->repository);
    memory_free(night->memory);
    free(night->data);
}

static int read_and_trash(void *opaque, uint64_t id, void *data, size_t cap, size_t *ret_len,
                          enum chunk_kind *ret_kind, struct err *err)
{
    struct night *night = opaque;
    const struct mark mark = {"remove", "test"};
    bool made = false;

    if (id >= night->trash_at) {
        night->trash_at = UINT64_MAX;
        if (marks_trash(&night->scope, &night->base, &mark, &made, err) < 0)
            return -1;
    }
    return night->read->read(night->read->opaque, id, data, cap, ret_len, ret_kind, err);
}

static int look_through(void *opaque, uint64_t id, struct chunk_run *ret, struct err *err)
{
    const struct night *night = opaque;

    return night->read->look(night->read->opaque, id, ret, err);
}

static uint64_t counted_through(void *opaque, uint64_t id)
{
    const struct night *night = opaque;

    return night->read->counted(night->read->opaque, id);
}

static uint32_t gathered_through(void *opaque, uint64_t id)
{
    const struct night *night = opaque;

    return night->read->gathered(night->read->opaque, id);
}

static int run_pool(void *opaque, const struct point_plugs *plugs, struct err *err)
{
    struct night *night = opaque;
    struct chunk_source source = plugs->source;
    const struct child_settings settings = {
        .codec = {.type = night->backup.codec},
        .chunk_size = source.chunk_size,
        .block_digests = plugs->sink.block_digests,
        .digests_known = plugs->sink.digests_known,
        .unconfined = true, /* a sanitizer does what the sandbox forbids */
    };
    CLEANUP(pool_freep) struct pool *pool = pool_new(spawner, &settings, night->children, err);

    assert_null(source.find_same);
    night->read = &plugs->source;
    source.opaque = night;
    source.look = look_through;
    source.read = read_and_trash;
    source.counted = counted_through;
    source.gathered = gathered_through;
    const struct pool_plugs wrapped = {&source, &plugs->sink, NULL};
    return pool ? pool_run(pool, &wrapped, NULL, err) : -1;
}

static void night_begin(struct night *night, unsigned children)
{
    night->memory = memory_new();
    assert_int_equal(repository_create_in(memory_open(night->memory, NULL), REPOSITORY_SCOPE,
                                          &night->repository, NULL),
                     0);
    night->scope =
        (struct stored_scope){night->repository->store, night->repository->id, REPOSITORY_SCOPE};
    night->data = mem_alloc(DISK_MIB * MIB);
    for (uint64_t i = 0; i < DISK_BLOCKS; i++) {
        memset(night->data + i * BLOCK, (int)(1 + i % 255), BLOCK);
        *(uint64_t *)(void *)(night->data + i * BLOCK) = i + 1;
    }
    night->disk = (struct backup_disk){
        .target = "vda", .size = DISK_MIB * MIB, .data = night->data, .data_len = DISK_MIB * MIB};
    night->backup = (struct backup){.repository = night->repository,
                                    .guest = {{7}},
                                    .codec = CODEC_NONE,
                                    .disks = &night->disk,
                                    .disk_count = 1,
                                    .no_refresh = true,
                                    .part_bytes = 1,
                                    .run_image = run_pool,
                                    .opaque = night};
    night->children = children;
    night->trash_at = UINT64_MAX;
}
#define NIGHT(children)                                                                            \
    CLEANUP(night_end) struct night night = {0};                                                   \
    night_begin(&night, children)

/* The guest's first partial point. */
static struct stored_point *first_part(const struct night *night)
{
    CLEANUP_LISTING struct listing listing = {0};

    assert_int_equal(listing_read(&night->scope, &night->backup.guest, NULL, &listing, NULL), 0);
    for (size_t i = 0; i < listing.count; i++) {
        struct stored_point *point =
            listing.points[i].tombstone
                ? NULL
                : backup_read(&night->backup, &listing.points[i].id.session);
        if (point && (point->flags & FLAG_PARTIAL))
            return point;
        stored_point_free(point);
    }
    fail_msg("there is no partial point");
    return NULL;
}

static bool uses_pack(const struct stored_point *point, const struct stored_point *of,
                      uint32_t place)
{
    const struct pack_id id = stored_point_pack(of, place);
    uint32_t found = 0;

    return packs_find(&point->packs, &id.session, id.number, &found);
}

static void test_sessions_change_while_the_source_reads_ahead(void **state)
{
    (void)state;
    for (unsigned children = 1; children <= CHILDREN_MAX; children += CHILDREN_MAX - 1) {
        NIGHT(children);
        struct backup_result result = backup_run(&night.backup);
        assert_int_equal(result.parts, 2);
        assert_int_equal(result.new_blocks, DISK_BLOCKS);
        /* all of it is known, through whatever session it came */
        assert_int_equal(backup_run(&night.backup).new_blocks, 0);
    }
}

/* What the second half of the disk has in common with the first was put by an earlier session. */
static void test_what_an_earlier_session_has_put_is_known_to_the_next(void **state)
{
    (void)state;
    for (unsigned children = 1; children <= CHILDREN_MAX; children += CHILDREN_MAX - 1) {
        NIGHT(children);
        memcpy(night.data + (DISK_MIB - 30) * MIB, night.data, 30 * MIB);
        struct backup_result result = backup_run(&night.backup);
        assert_true(result.parts >= 1);
        assert_int_equal(result.new_blocks, DISK_BLOCKS - 30 * 16);
    }
}

/* The source is ahead of the session that ends, and what it finds known then may be gone in the next
 * one: nothing is taken from the base any more but what the part has of it. */
static void test_base_that_goes_is_left_by_what_reads_ahead(void **state)
{
    (void)state;
    for (unsigned children = 1; children <= CHILDREN_MAX; children += CHILDREN_MAX - 1) {
        NIGHT(children);
        night.backup.part_bytes = 0; /* in one session */
        struct id first = backup_run(&night.backup).session;
        CLEANUP(stored_point_freep)
        struct stored_point *base = backup_read(&night.backup, &first);
        for (uint64_t i = 2 * 16; i < 42 * 16; i++)
            *(uint64_t *)(void *)(night.data + i * BLOCK) += DISK_BLOCKS;
        night.base = (struct point_id){night.backup.guest, first};
        night.trash_at = 30;
        night.backup.part_bytes = 1;
        struct backup_result result = backup_run(&night.backup);
        assert_true(result.parts >= 1);
        assert_int_equal(night.trash_at, UINT64_MAX);
        CLEANUP(stored_point_freep)
        struct stored_point *point = backup_read(&night.backup, &result.session);
        assert_false(point->info.has_base);
        assert_int_equal(result.images[0].known_blocks, 2 * 16);
        CLEANUP(stored_point_freep)
        struct stored_point *part = first_part(&night);
        for (uint32_t i = 0; i < base->packs.count; i++)
            assert_true(!uses_pack(point, base, i) || uses_pack(part, base, i));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sessions_change_while_the_source_reads_ahead),
        cmocka_unit_test(test_what_an_earlier_session_has_put_is_known_to_the_next),
        cmocka_unit_test(test_base_that_goes_is_left_by_what_reads_ahead),
    };

    return cmocka_run_group_tests_name("repository point pool", tests, start_spawner, end_spawner);
}
