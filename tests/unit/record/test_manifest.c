/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "record/manifest.h"
#include "base/process.h"
#include "record_sample.h"

static void check_text(const char *a, const char *b)
{
    if (a && b)
        assert_string_equal(a, b);
    else
        assert_ptr_equal(a, b);
}

static void check_stored(const struct manifest_stored *a, const struct manifest_stored *b)
{
    check_text(a->file.name, b->file.name);
    assert_int_equal(a->file.size, b->file.size);
    assert_int_equal(a->file.has_sha256, b->file.has_sha256);
    assert_memory_equal(a->file.sha256, b->file.sha256, DIGEST_SIZE);
    assert_int_equal(a->codec.type, b->codec.type);
    assert_int_equal(a->codec.level, b->codec.level);
    assert_int_equal(a->codec.extreme, b->codec.extreme);
    assert_int_equal(a->codec.dict_size, b->codec.dict_size);
    assert_int_equal(a->image.chunk_size, b->image.chunk_size);
    assert_int_equal(a->image.raw_size, b->image.raw_size);
    assert_memory_equal(a->image.content, b->image.content, DIGEST_SIZE);
}

static void check_owner(const struct manifest_owner *a, const struct manifest_owner *b)
{
    assert_int_equal(a->known, b->known);
    assert_int_equal(a->uid, b->uid);
    assert_int_equal(a->gid, b->gid);
    check_text(a->user, b->user);
    check_text(a->group, b->group);
    assert_int_equal(a->mode, b->mode);
    check_text(a->selinux, b->selinux);
}

static void check_disk(const struct manifest_disk *a, const struct manifest_disk *b)
{
    check_text(a->target, b->target);
    check_text(a->type, b->type);
    check_text(a->path, b->path);
    check_text(a->pool, b->pool);
    check_text(a->volume, b->volume);
    check_text(a->format, b->format);
    assert_int_equal(a->file_size, b->file_size);
    assert_int_equal(a->option_count, b->option_count);
    for (size_t i = 0; i < a->option_count; i++) {
        check_text(a->options[i].name, b->options[i].name);
        check_text(a->options[i].value, b->options[i].value);
    }
    check_owner(&a->owner, &b->owner);
    check_stored(&a->stored, &b->stored);
}

static void check_docs(const struct xml_doc *a, const struct xml_doc *b)
{
    CLEANUP_FREE char *text_a = xml_format(a);
    CLEANUP_FREE char *text_b = xml_format(b);

    assert_string_equal(text_a, text_b);
}

static void check_head(const struct manifest *a, const struct manifest *b)
{
    check_text(a->tool_version, b->tool_version);
    assert_int_equal(a->format_version, MANIFEST_FORMAT_VERSION);
    check_text(a->time, b->time);
    check_text(a->uri, b->uri);
    check_text(a->host, b->host);
    check_text(a->host_uuid, b->host_uuid);
    check_text(a->domain_name, b->domain_name);
    check_text(a->domain_uuid, b->domain_uuid);
    check_text(a->domain_type, b->domain_type);
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->persistent, b->persistent);
    assert_int_equal(a->autostart, b->autostart);
    assert_int_equal(a->consistency, b->consistency);
    assert_int_equal(a->sandbox, b->sandbox);
    assert_int_equal(a->has_downtime, b->has_downtime);
    assert_int_equal(a->downtime_ms, b->downtime_ms);
}

static void every_member_survives_the_round_trip(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP(manifest_freep) struct manifest *a = sample_full_manifest();
    CLEANUP(manifest_freep) struct manifest *b = NULL;
    size_t len = 0;

    (void)state;
    CLEANUP_FREE char *text = sample_format(a, &len);
    CHECK(manifest_read(&(struct xml_text){.text = text, .len = len}, &b, &err), &err);
    check_head(b, a);
    assert_int_equal(b->disk_count, 2);
    check_disk(&b->disks[0], &a->disks[0]);
    check_disk(&b->disks[1], &a->disks[1]);
    check_stored(b->memory, a->memory);
    assert_int_equal(b->extra_count, 1);
    assert_int_equal(b->extras[0].kind, EXTRA_NVRAM);
    check_text(b->extras[0].path, a->extras[0].path);
    check_text(b->extras[0].format, "raw");
    check_owner(&b->extras[0].owner, &a->extras[0].owner);
    check_stored(&b->extras[0].stored, &a->extras[0].stored);
    assert_int_equal(b->left_out_count, 1);
    check_text(b->left_out[0].target, "sda");
    check_text(b->left_out[0].device, "cdrom");
    check_text(b->left_out[0].path, "/iso/install.iso");
    check_text(b->left_out[0].reason, "cdrom");
    check_docs(b->definition, a->definition);
    check_docs(b->live, a->live);
}

static void stored_files_are_walked_in_order(void **state)
{
    CLEANUP(manifest_freep) struct manifest *manifest = sample_full_manifest();
    static const char *const names[] = {"web-vda.raw.xz", "web-vdb.raw", "web.sav", "web-nvram.fd"};
    size_t cursor = 0;

    (void)state;
    for (size_t i = 0; i < 4; i++)
        check_text(manifest_next_stored(manifest, &cursor)->file.name, names[i]);
    assert_null(manifest_next_stored(manifest, &cursor));
}

static void the_file_is_the_domain_with_one_metadata_element(void **state)
{
    CLEANUP(manifest_freep) struct manifest *manifest = sample_full_manifest();
    size_t len = 0;
    CLEANUP_FREE char *text = sample_format(manifest, &len);
    CLEANUP(xml_freep) struct xml_doc *doc = xml_parse(text, len, NULL);
    const struct xml_node *metadata = xml_child(xml_root(doc), NULL, "metadata");
    struct xml_node *backup = xml_child(metadata, MANIFEST_NS, "backup");

    (void)state;
    assert_true(xml_is(xml_root(doc), NULL, "domain"));
    assert_non_null(backup);
    assert_null(xml_next_same(backup));
    manifest_strip(doc);
    check_docs(doc, manifest->definition);
}

static void a_manifest_in_the_definition_is_replaced(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP(manifest_freep) struct manifest *manifest = sample_full_manifest();
    CLEANUP(manifest_freep) struct manifest *again = NULL;
    size_t len = 0;
    CLEANUP_FREE char *text = sample_format(manifest, &len);

    (void)state;
    xml_free(manifest->definition);
    manifest->definition = xml_parse(text, len, NULL);
    CLEANUP_FREE char *second = sample_format(manifest, &len);
    assert_string_equal(second, text);
    CHECK(manifest_read(&(struct xml_text){.text = second, .len = len}, &again, &err), &err);
}

static void strip_leaves_no_empty_metadata(void **state)
{
    static const char text[] = "<domain><metadata><old:backup xmlns:old='" MANIFEST_NS_BASE
                               "7'><old:x/></old:backup></metadata></domain>";
    CLEANUP(xml_freep) struct xml_doc *doc = xml_parse(text, sizeof(text) - 1, NULL);

    (void)state;
    manifest_strip(doc);
    assert_null(xml_first(xml_root(doc)));
    manifest_strip(doc);
}

static void what_does_not_fit_together_is_corrupt(void **state)
{
    static const struct sample_forgery cases[] = {
        {"target=\"vdb\"", "target=\"vda\"", "duplicate disk"},
        {"chunk-size=\"8388608\"", "chunk-size=\"8388609\"", "chunk size"},
        {"chunk-size=\"8388608\"", "chunk-size=\"4096\"", "chunk size"},
        {"chunk-size=\"8388608\"", "chunk-size=\"1073741824\"", "chunk size"},
        {"chunk-size=\"8388608\"", "chunk-size=\"-8388608\"", "chunk-size"},
        {"chunk-size=\"8388608\"", "chunk-size=\"08388608\"", "chunk-size"},
        {"chunk-size=\"8388608\"", "chunk-size=\"99999999999999999999\"", "chunk-size"},
        {"raw-size=\"100000000\"", "raw-size=\"9223372036854775808\"", "larger than a file"},
        {"compression=\"lzma:9e\"", "compression=\"LZMA:9e\"", "compression"},
        {"compression=\"lzma:9e\"", "compression=\"bzip2\"", "compression"},
        {"dictionary=\"1048576\"", "dictionary=\"0\"", "dictionary"},
        {"dictionary=\"1048576\"", "dictionary=\"9999999999\"", "dictionary size"},
        {"mode=\"4640\"", "mode=\"640\"", "mode"},
        {"mode=\"4640\"", "mode=\"4698\"", "mode"},
        {"gid=\"4294967294\"", "gid=\"4294967295\"", "invalid owner or group"},
        {"gid=\"4294967294\"", "gid=\"4294967296\"", "gid"},
        {"state=\"paused\"", "state=\"blocked\"", "state"},
        {"autostart=\"yes\"", "autostart=\"true\"", "autostart"},
        {"autostart=\"yes\"", "autostart=\"yes\" colour=\"red\"", "unknown attribute 'colour'"},
        {" autostart=\"yes\"", "", "has no 'autostart'"},
        {"time=\"2024-05-01T10:00:00Z\"", "time=\"yesterday\"", "not a time"},
        {"uuid=\"2f6a3c1e", "uuid=\"2f6a3c1g", "not a UUID"},
        {"uuid=\"2f6a3c1e", "uuid=\"3f6a3c1e", "belongs to another guest"},
        {"<name>web</name>", "<name>wfb</name>", "belongs to another guest"},
        {"<vb:memory>", "<vb:memory><vb:colour/>", "<colour> where <stored> must be"},
        {"<vb:left-out", "<vb:colour/><vb:left-out", "unknown element <colour>"},
        {"kind=\"nvram\"", "kind=\"cmos\"", "invalid value 'cmos' for 'kind'"},
        {"<vb:live>", "<vb:live><domain/>", "one domain"},
        {"type=\"network\"", "type=\"dir\"", "unknown type"},
    };
    CLEANUP(manifest_freep) struct manifest *manifest = sample_full_manifest();

    (void)state;
    sample_check_forgeries(manifest, cases, sizeof(cases) / sizeof(*cases));
}

static void memory_without_live_xml_is_corrupt(void **state)
{
    CLEANUP(manifest_freep) struct manifest *manifest = sample_full_manifest();
    size_t len = 0;
    CLEANUP_FREE char *text = sample_format(manifest, &len);
    char *live = strstr(text, "<vb:live>");
    const char *end = strstr(text, "</vb:live>");

    (void)state;
    CLEANUP_FREE char *element = mem_strndup(live, (size_t)(end - live) + strlen("</vb:live>"));
    sample_check_forged(text, element, "", ERR_CORRUPT, "live XML");
}

static void other_xml_is_no_manifest(void **state)
{
    static const char *const others[] = {
        "<domain><name>web</name></domain>",
        "<domain><metadata><a:b xmlns:a='http://example.org'/></metadata></domain>",
        "<html/>",
    };
    struct manifest *parsed = NULL;
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        CHECK_FAILS(manifest_read(&(struct xml_text){.text = others[i], .len = strlen(others[i])},
                                  &parsed, &err),
                    &err, ERR_NOT_FOUND, "not a manifest of virt-backup");
    CHECK_FAILS(manifest_read(&(struct xml_text){.text = "", .len = 0}, &parsed, &err), &err,
                ERR_CORRUPT, "damaged");
    CHECK_FAILS(manifest_read(&(struct xml_text){.text = "hello", .len = 5}, &parsed, &err), &err,
                ERR_CORRUPT, "damaged");
}

/* What list relies on, who does not parse what is one. */
static void other_xml_is_known_without_a_manifest(void **state)
{
    static const struct {
        const char *text;
        bool other;
    } cases[] = {
        {"<domain><name>web</name></domain>", true},
        {"<html/>", true},
        {"", false},
        {"hello", false},
        {"<domain><name>web</name>", false},
        {"<domain><metadata><vb:backup ", false},
        {"<d><metadata><x xmlns='" MANIFEST_NS_BASE "7'/></metadata></d>", false},
        {"<d><metadata><x xmlns='urn&#58;virt-backup:manifest:1'/></metadata></d>", false},
    };
    CLEANUP(manifest_freep) struct manifest *manifest = sample_full_manifest();
    size_t len = 0;
    CLEANUP_FREE char *text = sample_format(manifest, &len);

    (void)state;
    assert_false(manifest_is_other_xml(&(struct xml_text){.text = text, .len = len}));
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        CLEANUP_ERR struct err err = ERR_INIT;
        struct manifest *parsed = NULL;
        len = strlen(cases[i].text);
        assert_int_equal(
            manifest_is_other_xml(&(struct xml_text){.text = cases[i].text, .len = len}),
            cases[i].other);
        assert_int_equal(
            manifest_read(&(struct xml_text){.text = cases[i].text, .len = len}, &parsed, &err),
            -1);
        assert_int_equal(err.kind == ERR_NOT_FOUND, cases[i].other);
    }
}

static void a_document_type_is_refused(void **state)
{
    CLEANUP(manifest_freep) struct manifest *manifest = sample_manifest("web", SAMPLE_UUID);
    size_t len = 0;
    CLEANUP_FREE char *text = sample_format(manifest, &len);

    (void)state;
    sample_check_forged(text, "<domain", "<!DOCTYPE domain><domain", ERR_CORRUPT, "document type");
}

static void text_that_xml_cannot_carry_is_refused(void **state)
{
    static const char *const bad[] = {"/images/a\x01b", "/images/a\xff", "/images/\xed\xa0\x80"};
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        CLEANUP(manifest_freep) struct manifest *manifest = sample_manifest("web", SAMPLE_UUID);
        CLEANUP_BUF struct buf text = {0};
        struct manifest_disk *disk = sample_add_disk(manifest, "vda", "abc", 3);

        free(disk->path);
        disk->path = mem_strdup(bad[i]);
        CHECK_FAILS(manifest_format(manifest, NULL, &text, &err), &err, ERR_UNSUPPORTED,
                    "the 'path' of a manifest's <source>");
        assert_int_equal(text.len, 0);
    }
}

static void what_could_not_be_read_is_not_written(void **state)
{
    CLEANUP(manifest_freep) struct manifest *manifest = sample_manifest("web", SAMPLE_UUID);
    CLEANUP_BUF struct buf text = {0};
    struct err err = ERR_INIT;
    struct manifest_disk *disk = sample_add_disk(manifest, "vda", "abc", 3);

    (void)state;
    disk->stored.image.chunk_size = 1000;
    CHECK_FAILS(manifest_format(manifest, NULL, &text, &err), &err, ERR_INTERNAL, "chunk size");
    disk->stored.image.chunk_size = CODEC_CHUNK_MIN;
    free(TAKE_PTR(manifest->host));
    CHECK_FAILS(manifest_format(manifest, NULL, &text, &err), &err, ERR_INTERNAL, "has no 'host'");
}

static void manifests_match_the_schema(void **state)
{
    CLEANUP(manifest_freep) struct manifest *manifest = sample_full_manifest();
    CLEANUP(manifest_freep) struct manifest *small = sample_manifest("web", SAMPLE_UUID);
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
    CLEANUP_FREE char *text = sample_format(manifest, &len);
    sample_write(folder, "m.xml", text, len);
    CHECK(process_run(argv, NULL, &err), &err);
    manifest->seal_key = &sample_key;
    CLEANUP_FREE char *sealed = sample_format(manifest, &len);
    sample_write(folder, "m.xml", sealed, len);
    CHECK(process_run(argv, NULL, &err), &err);
    CLEANUP_FREE char *bad = sample_forge(text, "state=\"paused\"", "state=\"blocked\"");
    sample_write(folder, "m.xml", bad, strlen(bad));
    assert_int_equal(process_run(argv, NULL, NULL), -1);
    CLEANUP_FREE char *small_text = sample_format(small, &len);
    sample_write(folder, "m.xml", small_text, len);
    CHECK(process_run(argv, NULL, &err), &err);
    sample_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_member_survives_the_round_trip),
        cmocka_unit_test(stored_files_are_walked_in_order),
        cmocka_unit_test(the_file_is_the_domain_with_one_metadata_element),
        cmocka_unit_test(a_manifest_in_the_definition_is_replaced),
        cmocka_unit_test(strip_leaves_no_empty_metadata),
        cmocka_unit_test(what_does_not_fit_together_is_corrupt),
        cmocka_unit_test(memory_without_live_xml_is_corrupt),
        cmocka_unit_test(other_xml_is_no_manifest),
        cmocka_unit_test(other_xml_is_known_without_a_manifest),
        cmocka_unit_test(a_document_type_is_refused),
        cmocka_unit_test(text_that_xml_cannot_carry_is_refused),
        cmocka_unit_test(what_could_not_be_read_is_not_written),
        cmocka_unit_test(manifests_match_the_schema),
    };

    return cmocka_run_group_tests_name("manifest", tests, NULL, NULL);
}
