/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "record/sav.h"
#include "base/io.h"
#include "record_sample.h"

/* A save image as libvirt lays it out, byte by byte. */
struct image {
    const char *magic;
    uint32_t version;
    uint32_t data_len;
    uint32_t was_running;
    uint32_t format;
    uint32_t cookie_offset;
    const char *data; /* data_len bytes are written, zeros behind its end */
    size_t data_size;
};

static const char xml[] = "<domain><name>web</name></domain>";
static const char both[] = "<domain/>\0<cookie/>";

static struct image image_with_cookie(void)
{
    return (struct image){
        .magic = "LibvirtQemudSave",
        .version = 2,
        .data_len = 200,
        .was_running = 1,
        .format = SAV_XZ,
        .cookie_offset = 10,
        .data = both,
        .data_size = sizeof(both),
    };
}

static int image_file(const struct image *image, uint64_t *ret_size)
{
    struct buf bytes = {0};
    CLEANUP_FREE char *data = mem_alloc((size_t)image->data_len + image->data_size);
    int fd = memfd_create("sav", MFD_CLOEXEC);

    assert_true(fd >= 0);
    buf_append(&bytes, image->magic, 16);
    buf_put_le32(&bytes, image->version);
    buf_put_le32(&bytes, image->data_len);
    buf_put_le32(&bytes, image->was_running);
    buf_put_le32(&bytes, image->format);
    buf_put_le32(&bytes, image->cookie_offset);
    for (int i = 0; i < 14; i++)
        buf_put_le32(&bytes, 0);
    memcpy(data, image->data, image->data_size);
    buf_append(&bytes, data, image->data_len);
    buf_append_str(&bytes, "QEVM stream");
    assert_int_equal(io_write(fd, bytes.data, bytes.len, NULL), 0);
    *ret_size = bytes.len;
    buf_clear(&bytes);
    return fd;
}

static void check_refused(const struct image *image, enum err_kind kind, const char *part)
{
    struct err err = ERR_INIT;
    struct sav sav = {0};
    uint64_t size = 0;
    CLEANUP_CLOSE int fd = image_file(image, &size);

    CHECK_FAILS(sav_read(fd, size, &sav, &err), &err, kind, part);
}

static void the_head_that_libvirt_writes_is_read(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_SAV struct sav sav = {0};
    struct image image = image_with_cookie();
    uint64_t size = 0;
    CLEANUP_CLOSE int fd = image_file(&image, &size);

    (void)state;
    CHECK(sav_read(fd, size, &sav, &err), &err);
    assert_int_equal(sav.version, 2);
    assert_true(sav.was_running);
    assert_int_equal(sav.format, SAV_XZ);
    assert_string_equal(sav.xml, "<domain/>");
    assert_string_equal(sav.cookie, "<cookie/>");
    assert_int_equal(sav.stream_offset, 92 + 200);
}

static void a_head_without_cookie_is_read(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_SAV struct sav sav = {0};
    struct image image = image_with_cookie();
    uint64_t size = 0;

    (void)state;
    image.cookie_offset = 0;
    image.was_running = 0;
    image.data = xml;
    image.data_size = sizeof(xml);
    CLEANUP_CLOSE int fd = image_file(&image, &size);
    CHECK(sav_read(fd, size, &sav, &err), &err);
    assert_false(sav.was_running);
    assert_string_equal(sav.xml, xml);
    assert_null(sav.cookie);
}

static void version_1_has_no_cookie(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_SAV struct sav sav = {0};
    struct image image = image_with_cookie();
    uint64_t size = 0;

    (void)state;
    image.version = 1;
    CLEANUP_CLOSE int fd = image_file(&image, &size);
    CHECK(sav_read(fd, size, &sav, &err), &err);
    assert_null(sav.cookie);
}

static void a_save_that_was_not_completed_is_refused(void **state)
{
    struct image image = image_with_cookie();

    (void)state;
    image.magic = "LibvirtQemudPart";
    check_refused(&image, ERR_CORRUPT, "did not finish writing");
    image.magic = "LibvirtQemudSavf";
    check_refused(&image, ERR_CORRUPT, "not a save image");
}

static void unknown_versions_are_unsupported(void **state)
{
    struct image image = image_with_cookie();

    (void)state;
    image.version = 3;
    check_refused(&image, ERR_UNSUPPORTED, "version 3");
    image.version = 0;
    check_refused(&image, ERR_UNSUPPORTED, "version 0");
    image.version = 0x02000000;
    check_refused(&image, ERR_UNSUPPORTED, "byte order");
}

static void lengths_are_checked_before_they_are_believed(void **state)
{
    struct image image = image_with_cookie();
    struct err err = ERR_INIT;
    struct sav sav = {0};
    uint64_t size = 0;

    (void)state;
    image.cookie_offset = 200;
    check_refused(&image, ERR_CORRUPT, "out of bounds");
    image.cookie_offset = UINT32_MAX;
    check_refused(&image, ERR_CORRUPT, "out of bounds");
    image.cookie_offset = 5;
    check_refused(&image, ERR_CORRUPT, "XML has no end");
    image.cookie_offset = 10;
    image.data_len = 18;
    check_refused(&image, ERR_CORRUPT, "cookie has no end");
    image.data_len = 0;
    check_refused(&image, ERR_CORRUPT, "would take 0 bytes");
    image.data_len = SAV_DATA_MAX + 1;
    check_refused(&image, ERR_CORRUPT, "would take");
    image.data_len = 200;
    CLEANUP_CLOSE int fd = image_file(&image, &size);
    CHECK_FAILS(sav_read(fd, 92 + 199, &sav, &err), &err, ERR_CORRUPT, "would take");
    assert_int_equal(ftruncate(fd, 92 + 199), 0);
    CHECK_FAILS(sav_read(fd, 92 + 200, &sav, &err), &err, ERR_CORRUPT, "ends too early");
    for (off_t cut = 91; cut >= 0; cut -= 7) {
        assert_int_equal(ftruncate(fd, cut), 0);
        CHECK_FAILS(sav_read(fd, (uint64_t)cut, &sav, &err), &err, ERR_CORRUPT, "too short");
    }
}

static void a_head_of_ours_reads_back_and_ends_aligned(void **state)
{
    static const char *const cookies[] = {NULL, "<cookie/>"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        CLEANUP_ERR struct err err = ERR_INIT;
        CLEANUP_SAV struct sav sav = {0};
        CLEANUP_BUF struct buf head = {0};
        CLEANUP_CLOSE int fd = memfd_create("sav", MFD_CLOEXEC);

        CHECK(sav_format_head(xml, cookies[i], i == 1, SAV_ZSTD, &head, &err), &err);
        assert_int_equal(head.len % 65536, 0);
        assert_true(head.len >= 92 + sizeof(xml) + 16384);
        CHECK(io_write(fd, head.data, head.len, &err), &err);
        CHECK(sav_read(fd, head.len, &sav, &err), &err);
        assert_int_equal(sav.version, 2);
        assert_int_equal(sav.was_running, i == 1);
        assert_int_equal(sav.format, SAV_ZSTD);
        assert_string_equal(sav.xml, xml);
        assert_int_equal(sav.cookie != NULL, i == 1);
        if (sav.cookie)
            assert_string_equal(sav.cookie, cookies[i]);
        assert_int_equal(sav.stream_offset, head.len);
    }
}

static void an_xml_without_measure_is_refused(void **state)
{
    CLEANUP_BUF struct buf head = {0};
    struct err err = ERR_INIT;
    CLEANUP_FREE char *huge = mem_alloc((size_t)SAV_DATA_MAX + 1);

    (void)state;
    memset(huge, 'x', SAV_DATA_MAX);
    CHECK_FAILS(sav_format_head(huge, NULL, true, SAV_RAW, &head, &err), &err, ERR_UNSUPPORTED,
                "too many");
}

/* A memory snapshot of libvirt 11.3 says "sparse" where only the setting is: QEMU names what it has
 * written. */
static void sparse_is_believed_only_of_a_sparse_stream(void **state)
{
    static const char *const streams[] = {"QEVM\0\0\0\3 pc-q35 mapped-ram", "QEVM\0\0\0\3 pc-q35",
                                          "QE"};
    static const size_t lens[] = {26, 15, 2};
    static const uint32_t formats[] = {SAV_SPARSE, SAV_RAW, SAV_SPARSE};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        CLEANUP_ERR struct err err = ERR_INIT;
        CLEANUP_SAV struct sav sav = {0};
        struct image image = image_with_cookie();
        uint64_t size = 0;
        image.format = SAV_SPARSE;
        CLEANUP_CLOSE int fd = image_file(&image, &size);
        assert_int_equal(ftruncate(fd, 92 + 200), 0);
        CHECK(io_pwrite(fd, streams[i], lens[i], 92 + 200, &err), &err);
        CHECK(sav_read(fd, 92 + 200 + lens[i], &sav, &err), &err);
        assert_int_equal(sav.format, formats[i]);
    }
}

static void decoders_are_known_for_what_is_compressed(void **state)
{
    (void)state;
    assert_null(sav_decoder_argv(SAV_RAW));
    assert_null(sav_decoder_argv(SAV_SPARSE));
    assert_null(sav_decoder_argv(7));
    assert_null(sav_decoder_argv(UINT32_MAX));
    assert_string_equal(sav_decoder_argv(SAV_GZIP)[0], "gzip");
    assert_string_equal(sav_decoder_argv(SAV_XZ)[0], "xz");
    assert_string_equal(sav_decoder_argv(SAV_ZSTD)[1], "-dc");
    assert_null(sav_decoder_argv(SAV_ZSTD)[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_head_that_libvirt_writes_is_read),
        cmocka_unit_test(a_head_without_cookie_is_read),
        cmocka_unit_test(version_1_has_no_cookie),
        cmocka_unit_test(a_save_that_was_not_completed_is_refused),
        cmocka_unit_test(unknown_versions_are_unsupported),
        cmocka_unit_test(lengths_are_checked_before_they_are_believed),
        cmocka_unit_test(a_head_of_ours_reads_back_and_ends_aligned),
        cmocka_unit_test(an_xml_without_measure_is_refused),
        cmocka_unit_test(sparse_is_believed_only_of_a_sparse_stream),
        cmocka_unit_test(decoders_are_known_for_what_is_compressed),
    };

    return cmocka_run_group_tests_name("save image", tests, NULL, NULL);
}
