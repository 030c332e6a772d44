/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The manifest as a text: its own digest, and the versions of its format.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "record/manifest.h"
#include "record_sample.h"

static void every_flipped_bit_is_found(void **state)
{
    CLEANUP(manifest_freep) struct manifest *manifest = sample_manifest("web", SAMPLE_UUID);
    size_t len = 0;

    (void)state;
    sample_add_disk(manifest, "vda", "abc", 3);
    manifest->seal_key = &sample_key;
    CLEANUP_FREE char *text = sample_format(manifest, &len);
    for (size_t bit = 0; bit < len * 8; bit++) {
        CLEANUP_ERR struct err err = ERR_INIT;
        struct manifest *parsed = NULL;

        text[bit / 8] ^= (char)(1 << bit % 8);
        if (manifest_read(&(struct xml_text){.text = text, .len = len}, &parsed, &err) == 0)
            fail_msg("bit %zu of byte %zu is not missed", bit % 8, bit / 8);
        /* "Not found" would hide the backup from list and verify. */
        if (err.kind != ERR_CORRUPT && err.kind != ERR_UNSUPPORTED)
            fail_msg("bit %zu of byte %zu: %s", bit % 8, bit / 8, err.text);
        text[bit / 8] ^= (char)(1 << bit % 8);
    }
}

static void every_cut_is_found(void **state)
{
    CLEANUP(manifest_freep) struct manifest *manifest = sample_manifest("web", SAMPLE_UUID);
    size_t len = 0;
    CLEANUP_FREE char *text = sample_format(manifest, &len);
    struct err err = ERR_INIT;

    (void)state;
    for (size_t cut = 0; cut < len; cut++) {
        struct manifest *parsed = NULL;
        CHECK_FAILS(manifest_read(&(struct xml_text){.text = text, .len = cut}, &parsed, &err),
                    &err, ERR_CORRUPT, "damaged");
    }
}

static void the_documented_digest_formula_holds(void **state)
{
    CLEANUP(manifest_freep) struct manifest *manifest = sample_full_manifest();
    CLEANUP(manifest_freep) struct manifest *again = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;
    size_t len = 0;
    CLEANUP_FREE char *text = sample_format(manifest, &len);
    CLEANUP_FREE char *same = sample_forge(text, "\"vda\"", "\"vda\"");

    (void)state;
    assert_string_equal(same, text);
    CHECK(manifest_read(&(struct xml_text){.text = same, .len = len}, &again, &err), &err);
}

static void another_format_is_named_as_such(void **state)
{
    CLEANUP(manifest_freep) struct manifest *manifest = sample_full_manifest();
    size_t len = 0;
    CLEANUP_FREE char *text = sample_format(manifest, &len);

    (void)state;
    sample_check_forged(text, "format=\"3\"", "format=\"4\"", ERR_UNSUPPORTED,
                        "made by a newer virt-backup: format version 4; this one reads 2 and 3");
    sample_check_forged(text, "manifest:1", "manifest:2", ERR_UNSUPPORTED,
                        "made by a newer virt-backup: its namespace is urn:virt-backup:manifest:2");
    sample_check_forged(text, "manifest:1", "manifest:x", ERR_CORRUPT, "damaged");
    sample_check_forged(text, "format=\"3\"", "format=\"1\"", ERR_UNSUPPORTED,
                        "made by an early virt-backup: format version 1; this one reads 2 and 3");
    sample_check_forged(text, "format=\"3\"", "format=\"0\"", ERR_CORRUPT, "damaged");
    sample_check_forged(text, " format=\"3\"", "", ERR_CORRUPT, "damaged");
}

static void the_former_format_is_read(void **state)
{
    CLEANUP(manifest_freep) struct manifest *manifest = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;
    size_t len = 0;
    CLEANUP_FREE char *text = sample_load(SAMPLES "/format-2", "web.xml", &len);

    (void)state;
    CHECK(manifest_read(&(struct xml_text){.text = text, .len = len}, &manifest, &err), &err);
    assert_int_equal(manifest->format_version, 2);
    assert_string_equal(manifest->host, "host.example");
    assert_int_equal(manifest->disk_count, 2);
    assert_string_equal(manifest->disks[1].stored.file.name, "web-vdb.raw.zst");
    assert_int_equal(manifest->disks[1].stored.image.raw_size, 160 << 10);
}

static void a_second_place_for_the_digest_is_refused(void **state)
{
    CLEANUP(manifest_freep) struct manifest *manifest = sample_manifest("web", SAMPLE_UUID);
    CLEANUP_BUF struct buf text = {0};
    struct err err = ERR_INIT;
    static const char xml[] =
        "<domain><name>web</name><uuid>" SAMPLE_UUID "</uuid><!--<vb:backup xmlns:vb=\"" MANIFEST_NS
        "\" sha256=\"--></domain>";

    (void)state;
    xml_free(manifest->definition);
    manifest->definition = xml_parse(xml, sizeof(xml) - 1, NULL);
    CHECK_FAILS(manifest_format(manifest, NULL, &text, &err), &err, ERR_UNSUPPORTED, "looks like");
}

static void a_guest_cannot_fake_the_digests_place_in_its_text(void **state)
{
    CLEANUP(manifest_freep) struct manifest *manifest = sample_manifest("web", SAMPLE_UUID);
    CLEANUP(manifest_freep) struct manifest *again = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;
    static const char xml[] =
        "<domain><name>web</name><uuid>" SAMPLE_UUID "</uuid>"
        "<title><![CDATA[<vb:backup xmlns:vb=\"" MANIFEST_NS "\" sha256=\"]]></title></domain>";
    size_t len = 0;

    (void)state;
    xml_free(manifest->definition);
    manifest->definition = xml_parse(xml, sizeof(xml) - 1, NULL);
    CLEANUP_FREE char *text = sample_format(manifest, &len);
    CHECK(manifest_read(&(struct xml_text){.text = text, .len = len}, &again, &err), &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_flipped_bit_is_found),
        cmocka_unit_test(every_cut_is_found),
        cmocka_unit_test(the_documented_digest_formula_holds),
        cmocka_unit_test(another_format_is_named_as_such),
        cmocka_unit_test(the_former_format_is_read),
        cmocka_unit_test(a_second_place_for_the_digest_is_refused),
        cmocka_unit_test(a_guest_cannot_fake_the_digests_place_in_its_text),
    };

    return cmocka_run_group_tests_name("manifest as text", tests, NULL, NULL);
}
