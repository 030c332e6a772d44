/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A backup can be rescued without this program: xz, zstd and nbdkit read what
 * the containers hold, and what they or others wrote is told apart.
 */
#include "codec/container.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/process.h"
#include "base/units.h"
#include "../chance.h"
#include "sample.h"

enum { RAW_LEN = 1024 * 1024 + 777 };

static uint64_t seed;
static struct sample_folder folder;
static uint8_t *raw;

static char *make_file(const char *spec_text, uint64_t chunk_size, const char *name)
{
    struct codec_spec spec = sample_spec(spec_text);
    struct buf file CLEANUP_BUF = {0};

    sample_container(&spec, chunk_size, raw, RAW_LEN, &file);
    return sample_folder_put(&folder, name, file.data, file.len);
}

static void run(const char *const argv[], struct buf *output)
{
    struct err err CLEANUP_ERR = ERR_INIT;

    if (process_run(argv, output, &err) < 0)
        fail_msg("%s", err.text);
}

static void check_output(const char *const argv[])
{
    struct buf output CLEANUP_BUF = {0};

    run(argv, &output);
    assert_int_equal(output.len, RAW_LEN);
    assert_memory_equal(output.data, raw, RAW_LEN);
}

static void xz_reads_our_files(void **state)
{
    static const char *const specs[] = {"lzma:0", "lzma:6", "lzma:3e"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char *path CLEANUP_FREE = make_file(specs[i], i == 0 ? 64 * KIB : 512 * KIB, "disk.xz");
        run((const char *const[]){"xz", "-t", path, NULL}, NULL);
        check_output((const char *const[]){"xz", "-dc", path, NULL});
        check_output((const char *const[]){"xz", "-dc", "-T0", path, NULL});
    }
}

static void xz_lists_our_files(void **state)
{
    char *path CLEANUP_FREE = make_file("lzma:1", 256 * KIB, "disk.xz");
    struct buf output CLEANUP_BUF = {0};
    char *sizes CLEANUP_FREE = mem_printf("%d", RAW_LEN);

    (void)state;
    run((const char *const[]){"xz", "--robot", "-lvv", path, NULL}, &output);
    char *text CLEANUP_FREE = buf_take_str(&output);
    assert_non_null(strstr(text, "CRC64"));
    assert_non_null(strstr(text, sizes));
    /* file, streams 1, blocks */
    assert_non_null(strstr(text, "\nfile\t1\t"));
    assert_non_null(strstr(text, "\t--x86 --lzma2"));
    assert_non_null(strstr(text, "\t--lzma2"));
}

static void nbdkit_serves_our_xz_files(void **state)
{
    char *path CLEANUP_FREE = make_file("lzma:1", 256 * KIB, "disk.xz");
    char *copy CLEANUP_FREE = mem_printf("%s/copy", folder.path);
    char *command CLEANUP_FREE = mem_printf("nbdcopy \"$uri\" %s", copy);

    (void)state;
    run((const char *const[]){"nbdkit", "-U", "-", "--filter=xz", "file", path, "--run", command,
                              NULL},
        NULL);
    check_output((const char *const[]){"cat", copy, NULL});
}

static void zstd_reads_our_files(void **state)
{
    static const char *const specs[] = {"zstd:1", "zstd:3", "zstd:19"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char *path CLEANUP_FREE = make_file(specs[i], i == 0 ? 64 * KIB : 512 * KIB, "disk.zst");
        run((const char *const[]){"zstd", "-q", "-t", path, NULL}, NULL);
        check_output((const char *const[]){"zstd", "-q", "-d", "-c", path, NULL});
    }
}

/* The largest window that may be chosen is one that zstd reads without being asked to. */
static void zstd_reads_the_largest_window(void **state)
{
    struct codec_spec spec = sample_spec("zstd:1");
    size_t raw_len = 140 * MIB; /* larger than the window: a frame with less is one segment */
    uint8_t *zeros CLEANUP_FREE = sample_new(SAMPLE_ZEROS, seed, raw_len);
    struct buf file CLEANUP_BUF = {0};

    (void)state;
    spec.dict_size = 128 * MIB;
    sample_container(&spec, 256 * MIB, zeros, raw_len, &file);
    char *path CLEANUP_FREE = sample_folder_put(&folder, "window.zst", file.data, file.len);
    run((const char *const[]){"zstd", "-q", "-t", path, NULL}, NULL);
}

/* ---- files that are not ours ------------------------------------------------------ */

static int read_file(enum codec_type type, const char *path, struct container_index *ret,
                     struct err *err)
{
    int fd CLEANUP_CLOSE = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    return container_read(type, fd, 0, (uint64_t)lseek(fd, 0, SEEK_END), ret, err);
}

static void files_made_by_others_are_read_or_refused_with_the_reason(void **state)
{
    static const struct {
        enum codec_type type;
        const char *argv[8];
        const char *told; /* NULL: readable */
    } cases[] = {
        {CODEC_LZMA, {"xz", "-1", "-kc", "--check=crc64", "--block-size=256KiB"}, NULL},
        {CODEC_LZMA, {"xz", "-1", "-kc", "--check=crc32"}, "integrity check is not CRC64"},
        {CODEC_LZMA, {"xz", "-1", "-kc", "--check=none"}, "integrity check is not CRC64"},
        {CODEC_LZMA, {"xz", "-1", "-kc", "--check=sha256"}, "integrity check is not CRC64"},
        {CODEC_LZMA, {"xz", "-1", "-kc", "--format=lzma"}, "xz"},
        {CODEC_ZSTD, {"zstd", "-q", "-1", "-c"}, "no seek table"},
    };

    (void)state;
    char *plain CLEANUP_FREE = sample_folder_put(&folder, "plain", raw, RAW_LEN);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct container_index index CLEANUP_CONTAINER_INDEX = {0};
        struct err err CLEANUP_ERR = ERR_INIT;
        struct buf output CLEANUP_BUF = {0};
        const char *argv[10] = {0};
        size_t n = 0;
        for (; cases[i].argv[n]; n++)
            argv[n] = cases[i].argv[n];
        argv[n] = plain;
        run(argv, &output);
        char *path CLEANUP_FREE = sample_folder_put(&folder, "theirs", output.data, output.len);
        int ret = read_file(cases[i].type, path, &index, &err);
        assert_int_equal(ret, cases[i].told ? -1 : 0);
        if (cases[i].told && (err.kind != ERR_CORRUPT || !strstr(err.text, cases[i].told)))
            fail_msg("case %zu is answered by: %s", i, err.text);
    }
}

/* The first block of what a program makes of the plain file, which it gets as its
 * argument, offered to a container. */
static int add_theirs(enum codec_type type, const char *const argv[], size_t offset, size_t behind,
                      struct err *err)
{
    struct container_writer *writer CLEANUP(container_writer_freep) = container_writer_new(type);
    struct buf output CLEANUP_BUF = {0};
    struct buf out CLEANUP_BUF = {0};

    run(argv, &output);
    const struct result_block block = {
        .data = output.data + offset,
        .stored_len = (uint32_t)(output.len - offset - behind),
        .raw_len = RAW_LEN,
    };
    assert_int_equal(container_begin(writer, &out, NULL), 0);
    return container_add(writer, &block, err);
}

static void blocks_made_by_others_are_taken_if_they_are_complete(void **state)
{
    char *plain CLEANUP_FREE = sample_folder_put(&folder, "plain", raw, RAW_LEN);
    const struct {
        const char *argv[6];
        const char *told;
    } frames[] = {
        {{"zstd", "-q", "-c", plain}, NULL},
        {{"zstd", "-q", "-c", "--no-check", plain}, "without a checksum"},
        {{"zstd", "-q", "-c", "--no-content-size", plain}, "without its content size"},
    };
    /* An index of one record, whose two numbers take three bytes each, and the footer. */
    const size_t index_and_footer = 12 + 12;
    struct err err CLEANUP_ERR = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(add_theirs(CODEC_ZSTD, frames[i].argv, 0, 0, &err),
                         frames[i].told ? -1 : 0);
        if (frames[i].told)
            assert_non_null(strstr(err.text, frames[i].told));
    }
    const char *const sizes[] = {"xz", "-1", "-kc", "-T2", "--block-size=4MiB", plain, NULL};
    const char *const no_sizes[] = {"xz", "-1", "-kc", "-T1", plain, NULL};
    err_clear(&err);
    if (add_theirs(CODEC_LZMA, sizes, 12, index_and_footer, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(add_theirs(CODEC_LZMA, no_sizes, 12, index_and_footer, &err), -1);
    assert_non_null(strstr(err.text, "without its sizes"));
}

static void an_xz_header_of_another_file_is_refused(void **state)
{
    char *plain CLEANUP_FREE = sample_folder_put(&folder, "plain", raw, RAW_LEN);
    struct container_index index CLEANUP_CONTAINER_INDEX = {0};
    struct codec_spec spec = sample_spec("lzma:0");
    struct buf theirs CLEANUP_BUF = {0};
    struct buf file CLEANUP_BUF = {0};
    struct err err CLEANUP_ERR = ERR_INIT;

    (void)state;
    run((const char *const[]){"xz", "-0", "-kc", "--check=crc32", plain, NULL}, &theirs);
    sample_container(&spec, 256 * KIB, raw, RAW_LEN, &file);
    memcpy(file.data, theirs.data, 12);
    char *path CLEANUP_FREE = sample_folder_put(&folder, "spliced", file.data, file.len);
    assert_int_equal(read_file(CODEC_LZMA, path, &index, &err), -1);
    assert_non_null(strstr(err.text, "contradict each other"));
}

static int start(void **state)
{
    (void)state;
    seed = chance_seed();
    sample_folder_make(&folder);
    raw = sample_new(SAMPLE_MIXED, seed, RAW_LEN);
    sample_fill(SAMPLE_CODE, seed, raw + RAW_LEN / 2, RAW_LEN / 4);
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(raw);
    sample_folder_remove(&folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(xz_reads_our_files),
        cmocka_unit_test(xz_lists_our_files),
        cmocka_unit_test(nbdkit_serves_our_xz_files),
        cmocka_unit_test(zstd_reads_our_files),
        cmocka_unit_test(zstd_reads_the_largest_window),
        cmocka_unit_test(files_made_by_others_are_read_or_refused_with_the_reason),
        cmocka_unit_test(blocks_made_by_others_are_taken_if_they_are_complete),
        cmocka_unit_test(an_xz_header_of_another_file_is_refused),
    };

    return cmocka_run_group_tests(tests, start, end);
}
