/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qcow2 images of which the data is read from the files of the chain: it is compared
 * while qemu-nbd is dead, so that nothing of it can have come from there. And those
 * that must be left to qemu-nbd.
 */
#include "support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "disk/reader_impl.h"

/* Whole sectors, but no whole clusters. */
#define IMAGE_SIZE (UINT64_C(9) * 1024 * 1024 + 3 * 512)

static uint8_t *got;

/* ---- how images are made -------------------------------------------------------- */

struct recipe {
    const char *name;
    const char *options; /* for qemu-img create -o */
    enum { EMPTY, OVER_RAW, OVER_QCOW2 } base;
    void (*finish)(const char *path, struct image *reference); /* or NULL */
};

/* Data and zeros at random places, of whole sectors; the reference gets the same. */
static void scribble(const char *path, struct image *reference)
{
    static const char *const hows[] = {"write -P %u", "write -P %u", "write -z", "write -zu"};
    char commands[4][96];

    for (int round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 4; i++) {
            uint64_t offset = random_below(IMAGE_SIZE / 512) * 512;
            uint64_t len = (random_below(i % 2 ? 64 : 1600) + 1) * 512;
            uint8_t pattern = i < 2 ? (uint8_t)random_below(255) + 1 : 0;
            char how[32];
            if (len > IMAGE_SIZE - offset)
                len = IMAGE_SIZE - offset;
            if (pattern)
                snprintf(how, sizeof(how), "write -P %u", pattern);
            snprintf(commands[i], sizeof(commands[i]), "%s %llu %llu", pattern ? how : hows[i],
                     (unsigned long long)offset, (unsigned long long)len);
            memset(reference->data + offset, pattern, len);
        }
        run("qemu-io", "-f", "qcow2", "-c", commands[0], "-c", commands[1], "-c", commands[2], "-c",
            commands[3], path, NULL);
    }
}

static void create(const char *path, const char *options, const char *base, const char *base_format)
{
    char size[32];

    snprintf(size, sizeof(size), "%llu", (unsigned long long)IMAGE_SIZE);
    if (base)
        run("qemu-img", "create", "-q", "-f", "qcow2", "-o", options, "-b", base, "-F", base_format,
            path, NULL);
    else
        run("qemu-img", "create", "-q", "-f", "qcow2", "-o", options, path, size, NULL);
}

/* The last name in a path: how an image names a backing file beside it. */
static const char *name_of(const char *path)
{
    return strrchr(path, '/') + 1;
}

static void snapshot_and_go_on(const char *path, struct image *reference)
{
    run("qemu-img", "snapshot", "-c", "one", path, NULL);
    scribble(path, reference);
    run("qemu-img", "snapshot", "-c", "two", path, NULL);
    scribble(path, reference);
}

/* As a QEMU that was killed leaves it: bit 0 of the incompatible features. */
static void set_dirty(const char *path, struct image *reference)
{
    struct err err = ERR_INIT;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t features;

    (void)reference;
    assert_ok(io_pread(fd, &features, 1, 79, &err), &err);
    features |= 1;
    assert_ok(io_pwrite(fd, &features, 1, 79, &err), &err);
    close(fd);
}

/* What has a place already cannot become compressed. */
static void compress_some(const char *path, struct image *reference)
{
    run("qemu-io", "-f", "qcow2", "-c", "discard 3M 128K", "-c", "write -c -P 77 3M 128K", path,
        NULL);
    memset(reference->data + (3 << 20), 77, 128 << 10);
}

static const struct recipe recipes[] = {
    {"plain", "compat=1.1"},
    {"version 2", "compat=0.10"},
    {"clusters of 512 bytes", "cluster_size=512"},
    {"clusters of 2 MiB", "cluster_size=2M"},
    {"subclusters", "extended_l2=on,cluster_size=128K"},
    {"subclusters over a qcow2 base", "extended_l2=on", OVER_QCOW2},
    {"over a raw base", "cluster_size=64K", OVER_RAW},
    {"over a qcow2 base", "cluster_size=4K", OVER_QCOW2},
    {"preallocated metadata", "preallocation=metadata"},
    {"preallocated space", "preallocation=falloc"},
    {"preallocated in full", "preallocation=full"},
    {"internal snapshots", "cluster_size=64K", .finish = snapshot_and_go_on},
    {"dirty", "lazy_refcounts=on", .finish = set_dirty},
    {"a name, with = and , in it", "cluster_size=64K"},
};

/* A chain of one or two images, in files named after the recipe. */
static struct image make(const struct recipe *recipe, const char *path)
{
    struct image reference = {calloc(1, IMAGE_SIZE), IMAGE_SIZE, ""};
    char base[256];

    if (recipe->base == OVER_RAW) {
        free(reference.data);
        reference = image_make("base.raw", IMAGE_SIZE);
        create(path, recipe->options, name_of(reference.path), "raw");
    } else if (recipe->base == OVER_QCOW2) {
        snprintf(base, sizeof(base), "%s.base", path);
        create(base, "cluster_size=64K", NULL, NULL);
        scribble(base, &reference);
        create(path, recipe->options, name_of(base), "qcow2");
    } else {
        create(path, recipe->options, NULL, NULL);
    }
    scribble(path, &reference);
    if (recipe->finish)
        recipe->finish(path, &reference);
    return reference;
}

/* ---- how they are read ---------------------------------------------------------- */

static struct disk_reader *open_without_server(const char *path)
{
    struct disk_reader *reader = NULL;
    struct err err = ERR_INIT;

    /* However short it is. */
    assert_ok(
        disk_reader_open_as(&(struct reader_request){path, "qcow2", .min_part = 1}, &reader, &err),
        &err);
    assert_true(disk_reader_size(reader) == IMAGE_SIZE);
    int server = only_child();
    assert_true(server > 0);
    assert_int_equal(kill(server, SIGKILL), 0);
    return reader;
}

static void compare(const uint8_t *data, const struct image *reference, uint64_t offset, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (data[i] != reference->data[offset + i])
            fail_msg("byte %llu is 0x%02x instead of 0x%02x", (unsigned long long)(offset + i),
                     data[i], reference->data[offset + i]);
}

static void read_and_compare(struct disk_reader *reader, const struct image *reference,
                             uint64_t offset, size_t len)
{
    struct err err = ERR_INIT;

    memset(got, 0xee, len);
    assert_ok(disk_reader_read(reader, offset, got, len, &err), &err);
    compare(got, reference, offset, len);
}

static struct disk_reader *open_with_server(const char *path, const struct image *reference)
{
    struct disk_reader *reader = NULL;
    struct err err = ERR_INIT;

    assert_ok(disk_reader_open(path, "qcow2", &reader, &err), &err);
    read_and_compare(reader, reference, 0, IMAGE_SIZE);
    return reader;
}

static void data_comes_from_the_files(void **state)
{
    const struct recipe *recipe = *state;
    const char *path = at(recipe->name);
    struct image reference = make(recipe, path);
    struct err err = ERR_INIT;

    /* Some of it from here, some from there. */
    disk_reader_close(open_with_server(path, &reference));
    struct disk_reader *reader = open_without_server(path);
    read_and_compare(reader, &reference, 0, IMAGE_SIZE);
    for (int i = 0; i < 50; i++) {
        uint64_t offset = random_below(IMAGE_SIZE);
        size_t len = (size_t)random_below(100000) + 1;
        read_and_compare(reader, &reference, offset,
                         len < IMAGE_SIZE - offset ? len : (size_t)(IMAGE_SIZE - offset));
    }
    memset(got, 0, IMAGE_SIZE);
    struct disk_part part = {0};
    for (uint64_t offset = 0; offset < IMAGE_SIZE; offset += part.len) {
        assert_ok(disk_reader_map(reader, offset, &part, &err), &err);
        assert_true(part.len > 0 && part.len <= IMAGE_SIZE - offset);
        if (part.kind != DISK_ZERO)
            assert_ok(disk_reader_read(reader, offset, got + offset, part.len, &err), &err);
    }
    compare(got, &reference, 0, IMAGE_SIZE);
    disk_reader_close(reader);
    image_free(&reference);
}

/* ---- what is left to qemu-nbd ---------------------------------------------------- */

static void assert_needs_server(struct disk_reader *reader, uint64_t offset, size_t len)
{
    struct err err = ERR_INIT;

    assert_int_equal(disk_reader_read(reader, offset, got, len, &err), -1);
    assert_err(&err, ERR_IO, "qemu-nbd was killed");
}

static void compressed_clusters_come_from_the_server(void **state)
{
    const struct recipe recipe = {"mixed", "cluster_size=64K", .finish = compress_some};
    struct image reference = make(&recipe, at("mixed"));

    (void)state;
    disk_reader_close(open_with_server(at("mixed"), &reference));
    struct disk_reader *reader = open_without_server(at("mixed"));
    read_and_compare(reader, &reference, 0, 3 << 20);
    read_and_compare(reader, &reference, (3 << 20) + (128 << 10),
                     IMAGE_SIZE - (3 << 20) - (128 << 10));
    assert_needs_server(reader, (3 << 20) + 4096, 512);
    disk_reader_close(reader);
    image_free(&reference);
}

/* Bytes that a process has read so far, from wherever. */
static unsigned long long bytes_read_by(int pid)
{
    char path[64];
    char text[512] = "";

    snprintf(path, sizeof(path), "/proc/%d/io", pid);
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
    return strtoull(text + strlen("rchar: "), NULL, 10);
}

/* Not even ahead of need. */
static void the_server_reads_only_what_it_has_to(void **state)
{
    const char *path = at("one-compressed");
    struct disk_reader *reader = NULL;
    struct err err = ERR_INIT;

    (void)state;
    create(path, "cluster_size=64K", NULL, NULL);
    run("qemu-io", "-f", "qcow2", "-c", "write -P 3 0 8M", "-c", "discard 4M 1M", "-c",
        "write -c -P 9 4M 64K", path, NULL);
    assert_ok(disk_reader_open(path, "qcow2", &reader, &err), &err);
    unsigned long long before = bytes_read_by(only_child());
    for (uint64_t offset = 0; offset < 8 << 20; offset += 32768) {
        assert_ok(disk_reader_read(reader, offset, got, 32768, &err), &err);
        uint8_t expected = offset >> 16 == 64 ? 9 : offset >> 20 == 4 ? 0 : 3;
        assert_int_equal(got[0], expected);
        assert_int_equal(got[32767], expected);
    }
    /* Waits for what was asked for ahead. */
    assert_ok(disk_reader_read(reader, 4 << 20, got, 512, &err), &err);
    assert_in_range(bytes_read_by(only_child()) - before, 1, 512 << 10);
    disk_reader_close(reader);
}

/* Each cluster of 64 KiB lies before the last one in the file. */
static void fragments_come_from_the_server(void **state)
{
    const char *path = at("fragments");
    struct disk_reader *reader = NULL;
    struct err err = ERR_INIT;

    (void)state;
    create(path, "cluster_size=64K", NULL, NULL);
    for (int i = 35; i > 0; i--) {
        char command[64];
        snprintf(command, sizeof(command), "write -P %d %d 64K", i, 4 * i * 65536);
        run("qemu-io", "-f", "qcow2", "-c", command, path, NULL);
    }
    assert_ok(disk_reader_open(path, "qcow2", &reader, &err), &err);
    assert_ok(disk_reader_read(reader, 0, got, IMAGE_SIZE, &err), &err);
    for (int i = 1; i <= 35; i++) {
        assert_int_equal(got[4 * i * 65536], i);
        assert_int_equal(got[4 * i * 65536 + 65535], i);
        assert_int_equal(got[4 * i * 65536 - 1], 0);
    }
    assert_int_equal(kill(only_child(), SIGKILL), 0);
    assert_needs_server(reader, 8 * 65536, 65536);
    disk_reader_close(reader);
}

static void other_chains_come_from_the_server(const char *path, struct image *reference)
{
    disk_reader_close(open_with_server(path, reference));
    struct disk_reader *reader = open_without_server(path);
    assert_needs_server(reader, 0, IMAGE_SIZE);
    disk_reader_close(reader);
    image_free(reference);
}

static void external_data_comes_from_the_server(void **state)
{
    struct image reference = image_make("data-1.raw", IMAGE_SIZE);
    char options[320];

    (void)state;
    snprintf(options, sizeof(options), "data_file=%s", at("outside"));
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-o", options, reference.path,
        at("external"), NULL);
    other_chains_come_from_the_server(at("external"), &reference);
}

static void external_data_below_comes_from_the_server(void **state)
{
    struct image reference = image_make("data-2.raw", IMAGE_SIZE);
    char options[320];

    (void)state;
    snprintf(options, sizeof(options), "data_file=%s", at("outside-2"));
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-o", options, reference.path,
        at("external-2"), NULL);
    create(at("above"), "cluster_size=64K", at("external-2"), "qcow2");
    scribble(at("above"), &reference);
    other_chains_come_from_the_server(at("above"), &reference);
}

static void chain_with_another_format_comes_from_the_server(void **state)
{
    struct image reference = image_make("data-3.raw", IMAGE_SIZE);

    (void)state;
    run("qemu-img", "convert", "-f", "raw", "-O", "vdi", reference.path, at("base.vdi"), NULL);
    create(at("over-vdi"), "cluster_size=64K", at("base.vdi"), "vdi");
    scribble(at("over-vdi"), &reference);
    other_chains_come_from_the_server(at("over-vdi"), &reference);
}

static void device_comes_from_the_server(void **state)
{
    struct image reference = {calloc(1, IMAGE_SIZE), IMAGE_SIZE, ""};

    (void)state;
    need_root();
    create(at("for-loop"), "cluster_size=64K", NULL, NULL);
    scribble(at("for-loop"), &reference);
    run("truncate", "-s", "32M", at("for-loop"), NULL);
    const char *device = loop_attach(at("for-loop"));
    other_chains_come_from_the_server(device, &reference);
    loop_detach(device);
}

/* The guest sees whole sectors: what is behind the end of the base's file is for QEMU to say. */
static void raw_base_may_end_within_a_sector(void **state)
{
    struct image reference = image_make("short.raw", IMAGE_SIZE);
    struct err err = ERR_INIT;
    const uint64_t end = (2 << 20) + 70001;
    int fd = open(reference.path, O_RDWR | O_CLOEXEC);

    (void)state;
    memset(reference.data + end - 1000, 0x5a, 1000);
    assert_ok(io_pwrite(fd, reference.data + end - 1000, 1000, end - 1000, &err), &err);
    assert_int_equal(ftruncate(fd, (off_t)end), 0);
    close(fd);
    memset(reference.data + end, 0, IMAGE_SIZE - end);
    create(at("over-short"), "cluster_size=64K", reference.path, "raw");
    run("qemu-img", "resize", "-q", "-f", "qcow2", at("over-short"), "9438720", NULL);
    disk_reader_close(open_with_server(at("over-short"), &reference));
    struct disk_reader *reader = open_without_server(at("over-short"));
    read_and_compare(reader, &reference, 0, end);
    assert_needs_server(reader, end, 1);
    disk_reader_close(reader);
    image_free(&reference);
}

static void files_that_become_shorter_are_an_error(void **state)
{
    const struct recipe recipe = {"shrinks", "preallocation=full"};
    struct image reference = make(&recipe, at("shrinks"));
    struct disk_reader *reader = NULL;
    struct err err = ERR_INIT;

    (void)state;
    create(at("stays"), "cluster_size=64K", at("shrinks"), "qcow2");
    assert_ok(disk_reader_open(at("stays"), "qcow2", &reader, &err), &err);
    read_and_compare(reader, &reference, 0, IMAGE_SIZE);
    run("truncate", "-s", "1M", at("shrinks"), NULL);
    assert_int_equal(disk_reader_read(reader, 0, got, IMAGE_SIZE, &err), -1);
    assert_err(&err, ERR_IO, "/stays: at byte ");
    assert_int_equal(disk_reader_read(reader, 8 << 20, got, 1 << 20, &err), -1);
    assert_err(&err, ERR_IO, "the image shrank");
    disk_reader_close(reader);
    image_free(&reference);
}

/* ---- main ------------------------------------------------------------------------ */

#define RECIPE_COUNT (sizeof(recipes) / sizeof(*recipes))

static const struct CMUnitTest others[] = {
    cmocka_unit_test(compressed_clusters_come_from_the_server),
    cmocka_unit_test(the_server_reads_only_what_it_has_to),
    cmocka_unit_test(fragments_come_from_the_server),
    cmocka_unit_test(external_data_comes_from_the_server),
    cmocka_unit_test(external_data_below_comes_from_the_server),
    cmocka_unit_test(chain_with_another_format_comes_from_the_server),
    cmocka_unit_test(device_comes_from_the_server),
    cmocka_unit_test(raw_base_may_end_within_a_sector),
    cmocka_unit_test(files_that_become_shorter_are_an_error),
};
#define OTHER_COUNT (sizeof(others) / sizeof(*others))

int main(void)
{
    static char names[RECIPE_COUNT][96];
    struct CMUnitTest tests[RECIPE_COUNT + OTHER_COUNT];

    for (size_t i = 0; i < RECIPE_COUNT; i++) {
        snprintf(names[i], sizeof(names[i]), "data comes from the files: %s", recipes[i].name);
        tests[i] = (struct CMUnitTest){names[i], data_comes_from_the_files, NULL, NULL,
                                       (void *)(uintptr_t)&recipes[i]};
    }
    memcpy(&tests[RECIPE_COUNT], others, sizeof(others));
    got = malloc(IMAGE_SIZE);
    seed_start();
    int failed =
        cmocka_run_group_tests_name("disk reader direct", tests, support_setup, support_teardown);
    free(got);
    return failed;
}
