/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * disk_inspect against images made by qemu-img.
 */
#include "support.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "disk/image.h"

static struct disk_info inspect(const char *path, const char *format)
{
    struct disk_info info = {0};
    struct err err = ERR_INIT;

    assert_ok(disk_inspect(path, format, &info, &err), &err);
    return info;
}

static void raw_file_has_its_own_size(void **state)
{
    struct image image = image_make("raw", 12345);
    CLEANUP_DISK_INFO struct disk_info info = inspect(image.path, "raw");

    (void)state;
    assert_true(info.image_size == 12345);
    assert_true(info.file_size == 12345);
    assert_int_equal(info.option_count, 0);
    assert_int_equal(info.chain_length, 1);
    assert_string_equal(info.chain_paths[0], image.path);
    assert_false(info.encrypted);
    image_free(&image);
}

static void block_device_has_the_device_size(void **state)
{
    (void)state;
    need_root();
    run("truncate", "-s", "3M", at("loop"), NULL);
    const char *device = loop_attach(at("loop"));
    run("qemu-img", "create", "-q", "-f", "qcow2", device, "10M", NULL);
    CLEANUP_DISK_INFO struct disk_info raw = inspect(device, "raw");
    CLEANUP_DISK_INFO struct disk_info qcow2 = inspect(device, "qcow2");
    assert_false(raw.plain_chain || qcow2.plain_chain);
    assert_true(raw.image_size == 3 << 20);
    assert_true(raw.file_size == 3 << 20);
    assert_true(qcow2.image_size == 10 << 20);
    assert_true(qcow2.file_size == 3 << 20);
}

static void qcow2_options_are_recorded(void **state)
{
    (void)state;
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o",
        "cluster_size=131072,compat=1.1,compression_type=zstd,extended_l2=on,lazy_refcounts=on,"
        "refcount_bits=8",
        at("o.qcow2"), "10M", NULL);
    CLEANUP_DISK_INFO struct disk_info info = inspect(at("o.qcow2"), "qcow2");
    assert_true(info.image_size == 10 << 20);
    assert_true(info.file_size < 10 << 20);
    assert_int_equal(info.option_count, 6);
    assert_string_equal(option_of(&info, "cluster_size"), "131072");
    assert_string_equal(option_of(&info, "compat"), "1.1");
    assert_string_equal(option_of(&info, "compression_type"), "zstd");
    assert_string_equal(option_of(&info, "extended_l2"), "on");
    assert_string_equal(option_of(&info, "lazy_refcounts"), "on");
    assert_string_equal(option_of(&info, "refcount_bits"), "8");
}

static void options_of_other_formats_are_recorded(void **state)
{
    (void)state;
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", "compat=0.10", at("v2"), "1M", NULL);
    CLEANUP_DISK_INFO struct disk_info v2 = inspect(at("v2"), "qcow2");
    assert_string_equal(option_of(&v2, "compat"), "0.10");
    run("qemu-img", "create", "-q", "-f", "vmdk", "-o", "subformat=streamOptimized", at("vmdk"),
        "1M", NULL);
    CLEANUP_DISK_INFO struct disk_info vmdk = inspect(at("vmdk"), "vmdk");
    assert_string_equal(option_of(&vmdk, "subformat"), "streamOptimized");
    run("qemu-img", "create", "-q", "-f", "vdi", "-o", "static=on", at("vdi1"), "1M", NULL);
    CLEANUP_DISK_INFO struct disk_info fixed = inspect(at("vdi1"), "vdi");
    assert_string_equal(option_of(&fixed, "static"), "on");
    run("qemu-img", "create", "-q", "-f", "vdi", at("vdi2"), "1M", NULL);
    CLEANUP_DISK_INFO struct disk_info grows = inspect(at("vdi2"), "vdi");
    assert_string_equal(option_of(&grows, "static"), "off");
}

static void chain_is_listed_from_the_top(void **state)
{
    (void)state;
    run("qemu-img", "create", "-q", "-f", "raw", at("base.raw"), "1M", NULL);
    /* Named relative to the image, as qemu-img takes it. */
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", "base.raw", at("mid.qcow2"),
        NULL);
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", at("mid.qcow2"),
        at("top.qcow2"), "2M", NULL);
    CLEANUP_DISK_INFO struct disk_info info = inspect(at("top.qcow2"), "qcow2");
    assert_int_equal(info.chain_length, 3);
    assert_string_equal(info.chain_paths[0], at("top.qcow2"));
    assert_string_equal(info.chain_paths[1], at("mid.qcow2"));
    assert_string_equal(info.chain_paths[2], at("base.raw"));
    assert_true(info.image_size == 2 << 20);
}

static bool plain(const char *path, const char *format)
{
    CLEANUP_DISK_INFO struct disk_info info = inspect(path, format);

    return info.plain_chain;
}

static void a_chain_is_plain_if_all_of_it_is(void **state)
{
    char options[320];

    (void)state;
    run("qemu-img", "create", "-q", "-f", "raw", at("p.raw"), "1M", NULL);
    run("qemu-img", "create", "-q", "-f", "vdi", at("p.vdi"), "1M", NULL);
    snprintf(options, sizeof(options), "data_file=%s", at("p.data"));
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", options, at("p.ext"), "1M", NULL);
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", at("p.raw"), at("p1"), NULL);
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "vdi", "-b", at("p.vdi"), at("p2"), NULL);
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", at("p.ext"), at("p3"),
        NULL);
    assert_true(plain(at("p.raw"), "raw"));
    assert_true(plain(at("p1"), "qcow2"));
    assert_false(plain(at("p2"), "qcow2"));
    assert_false(plain(at("p3"), "qcow2"));
    assert_false(plain(at("p.ext"), "qcow2"));
    assert_false(plain(at("p.vdi"), "vdi"));
}

static void refused(const char *path, enum err_kind kind, const char *text)
{
    struct disk_info info = {0};
    struct err err = ERR_INIT;

    assert_int_equal(disk_inspect(path, "qcow2", &info, &err), -1);
    assert_err(&err, kind, text);
}

/* An image of old times: the header extension with the format becomes one that QEMU
 * does not know and passes over. */
static void forget_backing_format(const char *path)
{
    static const uint8_t mark[4] = {0xe2, 0x79, 0x2a, 0xca};
    uint8_t head[4096];
    int fd = open(path, O_RDWR | O_CLOEXEC);

    assert_int_equal(pread(fd, head, sizeof(head), 0), sizeof(head));
    uint8_t *found = memmem(head, sizeof(head), mark, sizeof(mark));
    assert_non_null(found);
    assert_int_equal(pwrite(fd, "\x12\x34\x56\x78", 4, found - head), 4);
    close(fd);
}

static void backing_file_without_a_format_is_refused(void **state)
{
    (void)state;
    run("qemu-img", "create", "-q", "-f", "raw", at("nf.raw"), "1M", NULL);
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", at("nf.raw"), at("nf.qcow2"),
        NULL);
    forget_backing_format(at("nf.qcow2"));
    refused(at("nf.qcow2"), ERR_UNSUPPORTED, "qemu-img rebase -u");
}

static void backing_file_that_is_no_local_file_is_refused(void **state)
{
    static const char *const names[] = {
        "nbd://localhost:1/x",
        "json:{\"driver\":\"raw\",\"offset\":512,\"file\":{\"filename\":\"/a\"}}",
        "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"nbd\",\"host\":\"localhost\"}}",
        "file:/etc/passwd",
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
        const char *path = at_n("remote", i);
        run("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "raw", "-b", names[i], path,
            "1M", NULL);
        refused(path, ERR_UNSUPPORTED, "is not a local file");
    }
}

static void backing_file_whose_name_qemu_img_cannot_tell_is_refused(void **state)
{
    (void)state;
    run("qemu-img", "create", "-q", "-f", "raw", at("s\xe9.raw"), "1M", NULL);
    /* What qemu-img writes in place of the name; it is another file. */
    run("qemu-img", "create", "-q", "-f", "raw", at("s\xef\xbf\xbd.raw"), "1M", NULL);
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", at("s\xe9.raw"),
        at("odd.qcow2"), NULL);
    refused(at("odd.qcow2"), ERR_UNSUPPORTED, "is not UTF-8");
}

static void missing_backing_file_is_named(void **state)
{
    (void)state;
    run("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "qcow2", "-b", at("gone"),
        at("orphan"), "1M", NULL);
    refused(at("orphan"), ERR_NOT_FOUND, "/gone': cannot open it");
}

static void chain_without_an_end_is_refused(void **state)
{
    (void)state;
    run("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "qcow2", "-b", at("self"),
        at("other"), "1M", NULL);
    run("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "qcow2", "-b", at("other"),
        at("self"), "1M", NULL);
    refused(at("self"), ERR_UNSUPPORTED, "loops back to");
}

static void external_data_file_is_told(void **state)
{
    char options[320];

    (void)state;
    snprintf(options, sizeof(options), "data_file=%s,data_file_raw=on", at("data.raw"));
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", options, at("ext"), "1M", NULL);
    run("qemu-img", "create", "-q", "-f", "qcow2", at("int"), "1M", NULL);
    CLEANUP_DISK_INFO struct disk_info external = inspect(at("ext"), "qcow2");
    CLEANUP_DISK_INFO struct disk_info internal = inspect(at("int"), "qcow2");
    assert_string_equal(external.data_file, at("data.raw"));
    assert_null(internal.data_file);
}

static void internal_snapshots_are_counted(void **state)
{
    (void)state;
    run("qemu-img", "create", "-q", "-f", "qcow2", at("snap"), "1M", NULL);
    run("qemu-img", "snapshot", "-c", "one", at("snap"), NULL);
    run("qemu-img", "snapshot", "-c", "two", at("snap"), NULL);
    CLEANUP_DISK_INFO struct disk_info info = inspect(at("snap"), "qcow2");
    assert_int_equal(info.snapshots, 2);
}

static void encryption_is_told(void **state)
{
    (void)state;
    run("qemu-img", "create", "-q", "-f", "qcow2", "--object", "secret,id=s,data=abc", "-o",
        "encrypt.format=aes,encrypt.key-secret=s", at("aes"), "1M", NULL);
    run("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "qcow2", "-b", at("aes"),
        at("above"), "1M", NULL);
    run("qemu-img", "create", "-q", "-f", "qcow2", at("plain"), "1M", NULL);
    run("qemu-img", "create", "-q", "-f", "qcow2", "--object", "secret,id=s,data=abc", "-o",
        "encrypt.format=aes,encrypt.key-secret=s", "-F", "qcow2", "-b", at("plain"), at("over"),
        NULL);
    CLEANUP_DISK_INFO struct disk_info plain = inspect(at("plain"), "qcow2");
    CLEANUP_DISK_INFO struct disk_info info = inspect(at("aes"), "qcow2");
    CLEANUP_DISK_INFO struct disk_info above = inspect(at("above"), "qcow2");
    CLEANUP_DISK_INFO struct disk_info over = inspect(at("over"), "qcow2");
    assert_false(plain.encrypted);
    assert_true(info.encrypted && above.encrypted && over.encrypted);
}

static void put_be32(struct buf *buf, uint32_t value)
{
    set_be32(buf_reserve(buf, sizeof(value)), value);
    buf->len += sizeof(value);
}

/* A LUKS header by hand: qemu-img takes seconds for it. Offsets in sectors. */
static void write_luks(const char *path)
{
    enum { SLOT_SIZE = 504, FIRST_SLOT = 8, STRIPES = 4000 };
    static const char fields[3][32] = {"aes", "xts-plain64", "sha256"};
    struct buf head = {0};
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    buf_append(&head, "LUKS\xba\xbe\0\1", 8);
    buf_append(&head, fields, sizeof(fields));
    put_be32(&head, FIRST_SLOT + 8 * SLOT_SIZE); /* where the payload starts */
    put_be32(&head, 64);                         /* bytes of the master key */
    buf_append(&head, (char[52]){0}, 52);        /* its digest and salt */
    put_be32(&head, 1000);
    buf_append(&head, (char[40]){"41d44de1-793f-40d4-86a4-e17c888ee491"}, 40);
    for (uint32_t slot = 0; slot < 8; slot++) {
        put_be32(&head, 0xdead); /* not in use */
        buf_append(&head, (char[36]){0}, 36);
        put_be32(&head, FIRST_SLOT + slot * SLOT_SIZE);
        put_be32(&head, STRIPES);
    }
    assert_int_equal(pwrite(fd, head.data, head.len, 0), head.len);
    assert_int_equal(ftruncate(fd, (FIRST_SLOT + 8 * SLOT_SIZE) * 512 + (1 << 20)), 0);
    close(fd);
    buf_clear(&head);
}

static void luks_is_told(void **state)
{
    (void)state;
    write_luks(at("luks"));
    CLEANUP_DISK_INFO struct disk_info info = inspect(at("luks"), "luks");
    assert_true(info.encrypted);
    assert_true(info.image_size == 1 << 20);
}

static void image_that_a_guest_uses_can_be_inspected(void **state)
{
    (void)state;
    run("qemu-img", "create", "-q", "-f", "qcow2", at("used"), "1M", NULL);
    struct qemu_writer guest = qemu_writer_start(at("used"), "qcow2");
    CLEANUP_DISK_INFO struct disk_info info = inspect(at("used"), "qcow2");
    assert_true(info.image_size == 1 << 20);
    qemu_writer_stop(&guest);
}

static void wrong_format_is_told(void **state)
{
    (void)state;
    run("qemu-img", "create", "-q", "-f", "raw", at("not"), "1M", NULL);
    refused(at("not"), ERR_IO, "/not: qemu-img: Image is not in qcow2 format");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw_file_has_its_own_size),
        cmocka_unit_test(block_device_has_the_device_size),
        cmocka_unit_test(qcow2_options_are_recorded),
        cmocka_unit_test(options_of_other_formats_are_recorded),
        cmocka_unit_test(chain_is_listed_from_the_top),
        cmocka_unit_test(a_chain_is_plain_if_all_of_it_is),
        cmocka_unit_test(backing_file_without_a_format_is_refused),
        cmocka_unit_test(backing_file_that_is_no_local_file_is_refused),
        cmocka_unit_test(backing_file_whose_name_qemu_img_cannot_tell_is_refused),
        cmocka_unit_test(missing_backing_file_is_named),
        cmocka_unit_test(chain_without_an_end_is_refused),
        cmocka_unit_test(external_data_file_is_told),
        cmocka_unit_test(internal_snapshots_are_counted),
        cmocka_unit_test(encryption_is_told),
        cmocka_unit_test(luks_is_told),
        cmocka_unit_test(image_that_a_guest_uses_can_be_inspected),
        cmocka_unit_test(wrong_format_is_told),
    };

    seed_start();
    return cmocka_run_group_tests_name("disk image", tests, support_setup, support_teardown);
}
