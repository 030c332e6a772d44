/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What qemu-img says about where data lies: what is made of it, what is not believed,
 * and that it is taken piece by piece.
 */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "disk/cluster_map.h"

#define KIB UINT64_C(1024)
#define SIZE (100 * KIB)

static const uint64_t file_sizes[] = {200 * KIB, 60 * KIB};

/* A qemu-img that leaves a line in `maps` for each map that it is asked for. */
static int setup(void **state)
{
    if (support_setup(state) < 0 || mkdir(at("bin"), 0700) < 0)
        return -1;
    CLEANUP_FREE char *script = mem_printf("#!/bin/sh\n"
                                           "[ \"$1\" != map ] || echo >>'%s'\n"
                                           "PATH='%s'\n"
                                           "exec qemu-img \"$@\"\n",
                                           at("maps"), getenv("PATH"));
    CLEANUP_FREE char *path = mem_printf("%s:%s", at("bin"), getenv("PATH"));
    int fd = open(at("bin/qemu-img"), O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    bool written = io_write(fd, script, strlen(script), NULL) == 0;
    close(fd);
    return written ? setenv("PATH", path, 1) : -1;
}

static int forget_maps(void **state)
{
    (void)state;
    return unlink(at("maps")) == 0 || errno == ENOENT ? 0 : -1;
}

/* How often qemu-img was asked for a map since the test began. */
static uint64_t count_maps(void)
{
    struct stat st;

    return stat(at("maps"), &st) == 0 ? (uint64_t)st.st_size : 0;
}

static struct cluster_map *new_map(void)
{
    return cluster_map_new(&(struct cluster_image){.path = "/nowhere/image",
                                                   .qemu_format = "qcow2",
                                                   .size = SIZE,
                                                   .file_sizes = file_sizes,
                                                   .file_count = 2});
}

static void check_part(struct cluster_map *map, uint64_t offset, struct cluster_part expected)
{
    struct cluster_part part;

    cluster_map_find(map, offset, &part);
    assert_int_equal(part.kind, expected.kind);
    assert_int_equal(part.len, expected.len);
    if (part.kind == CLUSTER_IN_FILE) {
        assert_int_equal(part.depth, expected.depth);
        assert_int_equal(part.offset, expected.offset);
    }
}

#define ENTRY(start, length, depth, more)                                                          \
    "{ \"start\": " #start ", \"length\": " #length ", \"depth\": " #depth ", " more "}"
#define IN_FILE "\"present\": true, \"zero\": false, \"data\": true, \"offset\": "
#define ZERO "\"present\": false, \"zero\": true, \"data\": false"

static const char good[] =
    "[" ENTRY(0, 10240, 0, IN_FILE "4096") ",\n" /* the second goes on where it ends */
    ENTRY(10240, 10240, 0, IN_FILE "14336") ",\n" ENTRY(
        20480, 10240, 1,
        IN_FILE
        "24576") ",\n" ENTRY(30720, 10240, 0,
                             ZERO) ",\n" ENTRY(40960, 10240, 1,
                                               ZERO
                                               ", \"offset\": 8192") ",\n" ENTRY(51200, 10240, 0,
                                                                                 "\"present\": "
                                                                                 "true, \"zero\": "
                                                                                 "false, \"data\": "
                                                                                 "true") ","
                                                                                         "\n" ENTRY(
                                                                                             61440,
                                                                                             10240,
                                                                                             0,
                                                                                             "\"zer"
                                                                                             "o\": "
                                                                                             "false"
                                                                                             ", "
                                                                                             "\"dat"
                                                                                             "a\": "
                                                                                             "true,"
                                                                                             " \"co"
                                                                                             "mpres"
                                                                                             "sed\""
                                                                                             ": "
                                                                                             "true,"
                                                                                             " \"of"
                                                                                             "fset"
                                                                                             "\": "
                                                                                             "0") ",\n" ENTRY(71680,
                                                                                                              30720,
                                                                                                              0,
                                                                                                              IN_FILE
                                                                                                              "102400") "]\n";

static int load(struct cluster_map *map, const char *text, struct err *err)
{
    return cluster_map_load(map, 0, text, strlen(text), false, err);
}

static void a_map_knows_what_it_was_told(void **state)
{
    CLEANUP(cluster_map_freep) struct cluster_map *map = new_map();
    struct err err = ERR_INIT;

    (void)state;
    assert_ok(load(map, good, &err), &err);
    check_part(map, 0, (struct cluster_part){CLUSTER_IN_FILE, 20480, 0, 4096});
    check_part(map, 20479, (struct cluster_part){CLUSTER_IN_FILE, 1, 0, 24575});
    check_part(map, 20480, (struct cluster_part){CLUSTER_IN_FILE, 10240, 1, 24576});
    check_part(map, 102399, (struct cluster_part){CLUSTER_IN_FILE, 1, 0, 133119});
    check_part(map, 30720, (struct cluster_part){CLUSTER_ZERO, 20480, 0, 0});
    check_part(map, 51201, (struct cluster_part){CLUSTER_OTHER, 20479, 0, 0});
    check_part(map, 5, (struct cluster_part){CLUSTER_IN_FILE, 20475, 0, 4101}); /* and back */
    assert_int_equal(count_maps(), 0);
}

/* The second file has 61440 bytes. */
static void what_is_behind_a_file_is_not_in_it(void **state)
{
    CLEANUP(cluster_map_freep) struct cluster_map *map = new_map();
    struct err err = ERR_INIT;

    (void)state;
    assert_ok(load(map,
                   "[" ENTRY(0, 51200, 1, IN_FILE "30720") ",\n" ENTRY(51200, 51200, 1,
                                                                       IN_FILE "81920") "]",
                   &err),
              &err);
    check_part(map, 0, (struct cluster_part){CLUSTER_IN_FILE, 30720, 1, 30720});
    check_part(map, 30720, (struct cluster_part){CLUSTER_OTHER, SIZE - 30720, 0, 0});
    assert_ok(load(map, "[" ENTRY(0, 102400, 0, IN_FILE "9223372036854775000") "]", NULL), &err);
    check_part(map, 0, (struct cluster_part){CLUSTER_OTHER, SIZE, 0, 0});
}

static void odd_maps_are_not_believed(void **state)
{
    static const char *const odd[] = {
        "",
        "[]",
        "nonsense",
        "[{}]",
        "[" ENTRY(0, 51200, 0, ZERO) "]",  /* too short */
        "[" ENTRY(0, 102401, 0, ZERO) "]", /* too long */
        "[" ENTRY(0, 9223372036854775807, 0, ZERO) "]",
        "[" ENTRY(0, 51200, 0, ZERO) "," ENTRY(0, 51200, 0, ZERO) "]",
        "[" ENTRY(51200, 51200, 0, ZERO) "," ENTRY(0, 51200, 0, ZERO) "]",
        "[" ENTRY(512, 101888, 0, ZERO) "]",                               /* late */
        "[" ENTRY(0, 51200, 0, ZERO) "," ENTRY(51712, 50688, 0, ZERO) "]", /* a gap */
        "[" ENTRY(0, 51200, 0, ZERO) "," ENTRY(50688, 51712, 0, ZERO) "]", /* overlap */
        "[" ENTRY(0, 102400, 0, ZERO) "," ENTRY(0, 102400, 0, ZERO) "]",   /* twice */
        "[" ENTRY(0, 0, 0, ZERO) "," ENTRY(0, 102400, 0, ZERO) "]",        /* empty */
        "[" ENTRY(0, 102400, 2, IN_FILE "0") "]",                          /* no such file */
        "[" ENTRY(0, 102400, -1, IN_FILE "0") "]",
        "[" ENTRY(0, "102400", 0, ZERO) "]",
        "[{ \"start\": 0, \"length\": 102400, \"depth\": 0, \"zero\": true ",
    };
    CLEANUP(cluster_map_freep) struct cluster_map *map = new_map();
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
        if (load(map, odd[i], &err) == 0)
            fail_msg("believed: %s", odd[i]);
        err_clear(&err);
    }
    /* Not even a head of it. */
    const char *beyond = "[" ENTRY(0, 51200, 0, ZERO) "," ENTRY(51200, 51201, 0, ZERO) ",";
    assert_int_equal(cluster_map_load(map, 0, beyond, strlen(beyond), true, &err), -1);
    assert_err(&err, ERR_IO, "51201 bytes at 51200");
    /* Here it asks, and there is no such image. */
    check_part(map, 1000, (struct cluster_part){CLUSTER_OTHER, SIZE - 1000, 0, 0});
    check_part(map, 0, (struct cluster_part){CLUSTER_OTHER, SIZE, 0, 0});
    assert_int_equal(count_maps(), 1);
}

static void short_parts_far_away_are_not_worth_it(void **state)
{
    const uint64_t sizes[] = {UINT64_C(1) << 40, UINT64_C(1) << 40};
    struct cluster_image image = {.path = "/nowhere/image",
                                  .qemu_format = "qcow2",
                                  .size = SIZE,
                                  .file_sizes = sizes,
                                  .file_count = 2,
                                  .min_part = 20480};
    CLEANUP(cluster_map_freep) struct cluster_map *map = cluster_map_new(&image);
    struct err err = ERR_INIT;

    (void)state;
    assert_ok(load(map,
                   "[" ENTRY(0, 10240, 0, IN_FILE "4096")         /* near the beginning */
                   ENTRY(10240, 10240, 1, IN_FILE "8388608")      /* just so */
                   ENTRY(20480, 10240, 0, IN_FILE "8402945")      /* one byte too far */
                   ENTRY(30720, 20480, 0, IN_FILE "100000000000") /* long */
                   ENTRY(51200, 10240, 0, IN_FILE "100000120480") /* near it */
                   ENTRY(61440, 10240, 0, IN_FILE "100000100000") /* goes back */
                   ENTRY(71680, 10240, 0, ZERO) ENTRY(81920, 20480, 1, IN_FILE "0") "]",
                   &err),
              &err);
    check_part(map, 0, (struct cluster_part){CLUSTER_IN_FILE, 10240, 0, 4096});
    check_part(map, 10240, (struct cluster_part){CLUSTER_IN_FILE, 10240, 1, 8388608});
    check_part(map, 20480, (struct cluster_part){CLUSTER_OTHER, 10240, 0, 0});
    check_part(map, 30720, (struct cluster_part){CLUSTER_IN_FILE, 20480, 0, 100000000000});
    check_part(map, 51200, (struct cluster_part){CLUSTER_IN_FILE, 10240, 0, 100000120480});
    check_part(map, 61440, (struct cluster_part){CLUSTER_OTHER, 10240, 0, 0});
    check_part(map, 71680, (struct cluster_part){CLUSTER_ZERO, 10240, 0, 0});
    check_part(map, 81920, (struct cluster_part){CLUSTER_IN_FILE, 20480, 1, 0});
}

/* Cut off anywhere, the head of a map says nothing else than the whole does. */
static void a_head_is_the_map_as_far_as_it_goes(void **state)
{
    CLEANUP(cluster_map_freep) struct cluster_map *whole = new_map();
    CLEANUP(cluster_map_freep) struct cluster_map *head = new_map();
    struct err err = ERR_INIT;
    size_t told = 0;

    (void)state;
    assert_ok(load(whole, good, &err), &err);
    for (size_t len = 0; len < sizeof(good); len++) {
        if (cluster_map_load(head, 0, good, len, true, &err) < 0) {
            assert_err(&err, ERR_IO, "qemu-img map");
            assert_true(told == 0);
            continue;
        }
        struct cluster_part part;
        struct cluster_part full;
        cluster_map_find(head, 0, &part);
        cluster_map_find(whole, 0, &full);
        assert_true(part.kind == full.kind && part.offset == full.offset && part.len <= full.len);
        told++;
    }
    assert_true(told > 500);
}

/* ---- with qemu-img --------------------------------------------------------------- */

#define CLUSTER 65536u
#define CLUSTERS 400u

/* Each second cluster of the image is written, the last ones first, so that no two lie
 * one behind the other in the file. The first and the last ones are not. */
static const char *fragmented(uint64_t *ret_size)
{
    const char *path = at("frag,mented");
    struct stat st;

    run("qemu-img", "create", "-q", "-f", "qcow2", path, "26214400", NULL);
    for (unsigned i = CLUSTERS - 2; i > 0; i -= 20) {
        char commands[10][64];
        for (unsigned k = 0; k < 10; k++)
            snprintf(commands[k], sizeof(commands[k]), "write -P %u %u 64K", (i - 2 * k) % 251 + 1,
                     (i - 2 * k) * CLUSTER);
        run("qemu-io", "-f", "qcow2", "-c", commands[0], "-c", commands[1], "-c", commands[2], "-c",
            commands[3], "-c", commands[4], "-c", commands[5], "-c", commands[6], "-c", commands[7],
            "-c", commands[8], "-c", commands[9], path, NULL);
        if (i < 20)
            break;
    }
    assert_int_equal(stat(path, &st), 0);
    *ret_size = (uint64_t)st.st_size;
    return path;
}

static void check_cluster(struct cluster_map *map, int fd, unsigned i)
{
    struct err err = ERR_INIT;
    struct cluster_part part;
    uint8_t data[2];

    cluster_map_find(map, (uint64_t)i * CLUSTER, &part);
    assert_int_equal(part.len, CLUSTER);
    if (i % 2 || i == 0) {
        assert_int_equal(part.kind, CLUSTER_ZERO);
        return;
    }
    assert_int_equal(part.kind, CLUSTER_IN_FILE);
    assert_ok(io_pread(fd, data, 1, part.offset, &err), &err);
    assert_ok(io_pread(fd, data + 1, 1, part.offset + CLUSTER - 1, &err), &err);
    assert_int_equal(data[0], i % 251 + 1);
    assert_int_equal(data[1], i % 251 + 1);
}

static void a_large_map_is_taken_piece_by_piece(void **state)
{
    struct cluster_part part;
    uint64_t file_size = 0;
    const char *path = fragmented(&file_size);
    struct cluster_image image = {.path = path,
                                  .qemu_format = "qcow2",
                                  .size = CLUSTERS * CLUSTER,
                                  .file_sizes = &file_size,
                                  .file_count = 1,
                                  .text_limit = 4096};
    CLEANUP(cluster_map_freep) struct cluster_map *map = cluster_map_new(&image);
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

    (void)state;
    for (unsigned i = 0; i < CLUSTERS; i++) {
        if (i > 1 && i < CLUSTERS - 1)
            check_cluster(map, fd, i);
    }
    assert_in_range(count_maps(), 5, 30);
    check_cluster(map, fd, 10); /* back: one more run */
    check_cluster(map, fd, 300);
    /* Within a cluster, as the first question too. */
    cluster_map_find(map, 200 * CLUSTER + 1000, &part);
    assert_int_equal(part.kind, CLUSTER_IN_FILE);
    assert_int_equal(part.len, CLUSTER - 1000);
}

static void a_map_that_fits_takes_one_run(void **state)
{
    uint64_t file_size = 0;
    const char *path = fragmented(&file_size);
    struct cluster_image image = {.path = path,
                                  .qemu_format = "qcow2",
                                  .direct = true,
                                  .size = CLUSTERS * CLUSTER,
                                  .file_sizes = &file_size,
                                  .file_count = 1};
    CLEANUP(cluster_map_freep) struct cluster_map *map = cluster_map_new(&image);
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

    (void)state;
    for (unsigned i = 2; i < CLUSTERS - 1; i++)
        check_cluster(map, fd, i);
    check_cluster(map, fd, 10);
    assert_int_equal(count_maps(), 1);
}

/* No entry fits: the server is asked for all, and qemu-img no more. */
static void a_limit_below_one_entry_is_no_map(void **state)
{
    uint64_t file_size = 0;
    struct cluster_image image = {.path = fragmented(&file_size),
                                  .qemu_format = "qcow2",
                                  .size = CLUSTERS * CLUSTER,
                                  .file_sizes = &file_size,
                                  .file_count = 1,
                                  .text_limit = 20};
    CLEANUP(cluster_map_freep) struct cluster_map *map = cluster_map_new(&image);

    (void)state;
    check_part(map, 0, (struct cluster_part){CLUSTER_OTHER, CLUSTERS * CLUSTER, 0, 0});
    check_part(map, CLUSTER, (struct cluster_part){CLUSTER_OTHER, (CLUSTERS - 1) * CLUSTER, 0, 0});
    assert_int_equal(count_maps(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_map_knows_what_it_was_told, forget_maps),
        cmocka_unit_test(what_is_behind_a_file_is_not_in_it),
        cmocka_unit_test(short_parts_far_away_are_not_worth_it),
        cmocka_unit_test_setup(odd_maps_are_not_believed, forget_maps),
        cmocka_unit_test(a_head_is_the_map_as_far_as_it_goes),
        cmocka_unit_test_setup(a_large_map_is_taken_piece_by_piece, forget_maps),
        cmocka_unit_test_setup(a_map_that_fits_takes_one_run, forget_maps),
        cmocka_unit_test_setup(a_limit_below_one_entry_is_no_map, forget_maps),
    };

    return cmocka_run_group_tests_name("disk cluster map", tests, setup, support_teardown);
}
