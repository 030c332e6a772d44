/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The manifest of a point of a repository: what is stored is in maps and small items.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/process.h"
#include "record/manifest.h"
#include "record_sample.h"

#define SAMPLE_SHA256 "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"

static void put_in_map(struct manifest_stored *stored, uint32_t number)
{
    free(TAKE_PTR(stored->file.name));
    stored->file = (struct manifest_file){0};
    stored->place = PLACE_MAP;
    stored->number = number;
    stored->codec.dict_size = 0;
    stored->image.chunk_size = MANIFEST_MAP_CHUNK;
}

/* Two disks, memory, NVRAM. */
static struct manifest *point_manifest(void)
{
    struct manifest *manifest = sample_full_manifest();

    for (uint32_t i = 0; i < manifest->disk_count; i++)
        put_in_map(&manifest->disks[i].stored, i);
    put_in_map(manifest->memory, MANIFEST_MAP_MEMORY);
    manifest->memory->has_header = true;
    memset(manifest->memory->header, 0x5a, DIGEST_SIZE);
    struct manifest_stored *nvram = &manifest->extras[0].stored;
    put_in_map(nvram, 1);
    nvram->place = PLACE_SMALL;
    return manifest;
}

static void check_stored(const struct manifest_stored *a, const struct manifest_stored *b)
{
    assert_int_equal(a->place, b->place);
    assert_int_equal(a->number, b->number);
    assert_null(a->file.name);
    assert_int_equal(a->codec.type, b->codec.type);
    assert_int_equal(a->codec.level, b->codec.level);
    assert_int_equal(a->image.chunk_size, b->image.chunk_size);
    assert_int_equal(a->image.raw_size, b->image.raw_size);
    assert_int_equal(a->image.has_content, b->image.has_content);
    assert_memory_equal(a->image.content, b->image.content, DIGEST_SIZE);
    assert_int_equal(a->has_header, b->has_header);
    assert_memory_equal(a->header, b->header, DIGEST_SIZE);
}

static void places_survive_the_round_trip(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP(manifest_freep) struct manifest *a = point_manifest();
    CLEANUP(manifest_freep) struct manifest *b = NULL;
    const struct manifest_stored *stored;
    size_t len = 0, cursor_a = 0, cursor_b = 0;

    (void)state;
    a->disks[1].stored.image.has_content = false;
    memset(a->disks[1].stored.image.content, 0, DIGEST_SIZE);
    CLEANUP_FREE char *text = sample_format(a, &len);
    CHECK(manifest_read(&(struct xml_text){.text = text, .len = len}, &b, &err), &err);
    assert_non_null(strstr(text, "<vb:stored map=\"0\" compression=\"lzma:9e\""));
    assert_non_null(strstr(text, "<vb:stored map=\"memory\""));
    assert_non_null(strstr(text, "<vb:stored small=\"1\""));
    while ((stored = manifest_next_stored(a, &cursor_a)))
        check_stored(manifest_next_stored(b, &cursor_b), stored);
    assert_null(manifest_next_stored(b, &cursor_b));
}

static void other_places_are_corrupt(void **state)
{
    static const struct sample_forgery cases[] = {
        {"map=\"0\"", "map=\"1\"", "disk 'vda' has the place of something else"},
        {"map=\"0\"", "map=\"memory\"", "disk 'vda' has the place of something else"},
        {"map=\"0\"", "small=\"1\"", "disk 'vda' has the place of something else"},
        {"map=\"memory\"", "map=\"2\"", "the memory has the place of something else"},
        {"map=\"memory\"", "small=\"1\"", "unknown attribute 'header-sha256'"},
        {"small=\"1\"", "small=\"2\"", "the nvram file has the place of something else"},
        {"small=\"1\"", "map=\"1\"", "the nvram file has the place of something else"},
        {"map=\"0\"", "map=\"00\"", "invalid value '00' for 'map'"},
        {"map=\"0\"", "map=\"1024\"", "invalid value '1024' for 'map'"},
        {"map=\"0\"", "map=\"Memory\"", "invalid value 'Memory' for 'map'"},
        {"map=\"0\"", "map=\"0\" name=\"web-vda.raw\"", "unknown attribute 'name'"},
        {"map=\"0\"", "map=\"0\" small=\"1\"", "unknown attribute 'small'"},
        {"map=\"0\"", "", "has no 'name'"},
        {"map=\"0\"", "map=\"0\" header-sha256=\"" SAMPLE_SHA256 "\"",
         "map 0: only the memory has a header"},
        {"header-sha256=\"5a", "header-sha256=\"", "invalid value"},
        {"chunk-size=\"1048576\"", "chunk-size=\"65536\"", "map 0: invalid chunk size"},
    };
    CLEANUP(manifest_freep) struct manifest *manifest = point_manifest();

    (void)state;
    sample_check_forgeries(manifest, cases, sizeof(cases) / sizeof(*cases));
}

static void only_a_map_may_lack_its_content_digest(void **state)
{
    CLEANUP(manifest_freep) struct manifest *in_point = point_manifest();
    CLEANUP(manifest_freep) struct manifest *in_archive = sample_full_manifest();
    CLEANUP_BUF struct buf text = {0};
    struct err err = ERR_INIT;

    (void)state;
    in_point->extras[0].stored.image.has_content = false;
    CHECK_FAILS(manifest_format(in_point, NULL, &text, &err), &err, ERR_INTERNAL,
                "small item 1: has no attribute 'content-sha256'");
    in_archive->disks[0].stored.image.has_content = false;
    CHECK_FAILS(manifest_format(in_archive, NULL, &text, &err), &err, ERR_INTERNAL,
                "file 'web-vda.raw.xz': has no attribute 'content-sha256'");
}

static void a_point_matches_the_schema(void **state)
{
    CLEANUP(manifest_freep) struct manifest *manifest = point_manifest();
    CLEANUP_ERR struct err err = ERR_INIT;
    char *folder = sample_folder();
    CLEANUP_FREE char *path = mem_printf("%s/m.xml", folder);
    const char *const argv[] = {"xmllint", "--noout", "--relaxng", MANIFEST_SCHEMA, path, NULL};
    const char *const probe[] = {"xmllint", "--version", NULL};
    size_t len = 0;

    (void)state;
    if (process_run(probe, NULL, NULL) < 0) {
        sample_remove_folder(folder);
        skip();
    }
    manifest->disks[1].stored.image.has_content = false;
    CLEANUP_FREE char *text = sample_format(manifest, &len);
    sample_write(folder, "m.xml", text, len);
    CHECK(process_run(argv, NULL, &err), &err);
    CLEANUP_FREE char *bad = sample_forge(text, "small=\"1\"", "small=\"3\"");
    sample_write(folder, "m.xml", bad, strlen(bad));
    assert_int_equal(process_run(argv, NULL, NULL), -1);
    sample_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_survive_the_round_trip),
        cmocka_unit_test(other_places_are_corrupt),
        cmocka_unit_test(only_a_map_may_lack_its_content_digest),
        cmocka_unit_test(a_point_matches_the_schema),
    };

    return cmocka_run_group_tests_name("manifest of a point", tests, NULL, NULL);
}
