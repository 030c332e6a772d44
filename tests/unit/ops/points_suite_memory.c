/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "points_suite_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "points_fixture.h"

static void check_head(const struct points_head *head, const struct points_head *expected)
{
    assert_non_null(head);
    assert_int_equal(head->known, expected->known);
    if (!expected->known)
        return;
    assert_string_equal(head->sav.xml, expected->sav.xml);
    assert_string_equal(head->sav.cookie, expected->sav.cookie);
    assert_int_equal(head->sav.was_running, expected->sav.was_running);
}

static void store_memory(struct fixture *fixture, const struct codec_spec *codec,
                         const struct points_head *head, enum points_replace replace,
                         const uint8_t *data)
{
    CLEANUP(points_writer_closep) struct points_writer *writer = fixture_open_writer(fixture);
    CLEANUP(manifest_freep) struct manifest *manifest = sample_manifest("web", fixture_uuid("web"));
    struct points_set *set = NULL;

    CHECK(fixture_begin(writer, "web", replace, &set, &fixture->err), &fixture->err);
    fixture_put_memory(fixture, set, manifest, codec, head, data);
    CHECK(points_commit(set, manifest, &fixture->err), &fixture->err);
}

static void store_and_check_memory(struct fixture *fixture, const struct codec_spec *codec,
                                   const struct points_head *head, enum points_replace replace)
{
    CLEANUP_FREE uint8_t *data = fixture_content(IMAGE_SIZE, 7);
    CLEANUP_POINTS_HEAD struct points_head found = {0};
    CLEANUP(points_close_imagep) struct points_image *image = NULL;

    store_memory(fixture, codec, head, replace, data);
    CLEANUP(points_store_closep) struct points_store *store = fixture_open_store(fixture);
    CLEANUP(points_closep) struct point *point = fixture_open_point(fixture, store, "web");
    const struct manifest_stored *memory = points_manifest(point)->memory;
    assert_non_null(memory);
    fixture_check_image(fixture, point, memory, data);
    CHECK(points_read_head(point, &found, &fixture->err), &fixture->err);
    check_head(&found, head);
    CHECK(fixture_open_image(point, memory, &image, &fixture->err), &fixture->err);
    check_head(points_image_head(image), head);
}

void memory_comes_back_with_its_head(void **state)
{
    static const struct codec_spec *const codecs[] = {&fixture_none, &fixture_lzma, &fixture_zstd};
    static char xml[] = "<domain/>", cookie[] = "<cookie/>";

    for (unsigned i = 0; i < 6; i++) {
        const struct points_head head = {
            .known = true, .sav = {.xml = xml, .cookie = cookie, .was_running = i < 3}};
        store_and_check_memory(*state, codecs[i % 3], &head, i ? POINTS_REPLACE : POINTS_KEEP);
    }
}

/* A parser that a cookie has taken over. */
static int say_that_it_is_empty(void *opaque, const struct parser_task *task, struct buf *ret,
                                struct err *err)
{
    static const char said[] = "<cookie/>";
    bool is_cookie = task->len > 7 && memcmp(task->data, "<cookie", 7) == 0;
    bool is_manifest = task->len > 7 && memcmp(task->data, "<domain", 7) == 0;

    (void)opaque;
    assert_true(task->alone || !(is_cookie || is_manifest));
    return is_cookie ? task->function(said, strlen(said), ret, err)
                     : task->function(task->data, task->len, ret, err);
}

void what_was_looked_at_is_restored_with_memory(void **state)
{
    static char xml[] = "<domain/>", cookie[] = "<cookie><slirpHelper path='/evil'/></cookie>";
    const struct points_head head = {.known = true, .sav = {.xml = xml, .cookie = cookie}};
    const struct parser liar = {NULL, say_that_it_is_empty};
    struct fixture *fixture = *state;
    struct points_place place = fixture_place(fixture);
    CLEANUP_FREE uint8_t *data = fixture_content(IMAGE_SIZE, 7);
    CLEANUP(points_store_closep) struct points_store *store = NULL;
    CLEANUP_SAV struct sav sav = {0};

    place.parser = &liar;
    store_memory(fixture, &fixture_zstd, &head, POINTS_KEEP, data);
    CHECK(points_store_open(&place, &store, &fixture->err), &fixture->err);
    CLEANUP(points_closep) struct point *point = fixture_open_point(fixture, store, "web");
    CLEANUP_FCLOSE FILE *file = tmpfile();
    assert_non_null(file);
    fixture_restore_memory(fixture, point, fileno(file), "<domain>ours</domain>");
    CHECK(sav_read(fileno(file), UINT64_MAX, &sav, &fixture->err), &fixture->err);
    assert_string_equal(sav.xml, "<domain>ours</domain>");
    assert_string_equal(sav.cookie, "<cookie/>\n");
}

/* The content digest does not cover the head; in an archive that of the file does. */
void a_head_that_the_manifest_was_not_written_for_is_corrupt(void **state)
{
    static char xml[] = "<domain/>", cookie[] = "<cookie/>";
    const struct points_head head = {.known = true, .sav = {.xml = xml, .cookie = cookie}};
    struct fixture *fixture = *state;

    if (!fixture->suite->is_repository)
        return; /* the SHA-256 of the file does */
    for (unsigned forgery = 0; forgery < 2; forgery++) {
        CLEANUP(points_writer_closep) struct points_writer *writer = fixture_open_writer(fixture);
        CLEANUP(manifest_freep)
        struct manifest *manifest = sample_manifest("web", fixture_uuid("web"));
        CLEANUP_FREE uint8_t *data = fixture_content(IMAGE_SIZE, 7);
        struct points_set *set = NULL;

        CHECK(fixture_begin(writer, "web", POINTS_KEEP, &set, &fixture->err), &fixture->err);
        fixture_put_memory(fixture, set, manifest, &fixture_zstd, &head, data);
        assert_true(manifest->memory->has_header);
        if (forgery == 0)
            manifest->memory->header[0] ^= 1;
        else
            manifest->memory->has_header = false;
        CHECK(points_commit(set, manifest, &fixture->err), &fixture->err);

        CLEANUP(points_store_closep) struct points_store *store = fixture_open_store(fixture);
        struct point *point = NULL;
        CHECK_FAILS(points_open(store, "web", NULL, &point, &fixture->err), &fixture->err,
                    ERR_CORRUPT, "another header");
    }
}

/* Its first bytes are those of a save image of a version that nobody knows. */
void memory_of_unknown_layout_comes_back_whole(void **state)
{
    static const struct codec_spec *const codecs[] = {&fixture_lzma, &fixture_zstd};
    const struct points_head head = {.known = false};

    for (unsigned i = 0; i < 2; i++)
        store_and_check_memory(*state, codecs[i], &head, i ? POINTS_REPLACE : POINTS_KEEP);
}
