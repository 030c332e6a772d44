/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Every kind of reader runs the same tests, against images made by qemu-img and
 * qemu-io.
 */
#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/json.h"
#include "disk/reader.h"

/* Whole sectors, but no whole clusters: every format has that. */
#define IMAGE_SIZE (UINT64_C(5) * 1024 * 1024 + 3 * 512)

struct kind {
    const char *name;
    const char *format;
    const char *options; /* for qemu-img convert -o, NULL: none */
    bool compressed;
    /* Makes the image at path from the reference, in its own way; may change the
     * reference's bytes. NULL: by qemu-img convert. Returns where it is. */
    const char *(*make)(struct image *reference, const char *path);
    bool device;
};

static const char *use_reference(struct image *reference, const char *path)
{
    (void)path;
    return reference->path;
}

static const char *make_loop(struct image *reference, const char *path)
{
    (void)path;
    return loop_attach(reference->path);
}

/* Writes a pattern, or zeros if it is 0, to an image and to the reference. */
static void overwrite(struct image *reference, const char *path, uint64_t offset, uint64_t len,
                      uint8_t pattern)
{
    char command[96];

    if (pattern)
        snprintf(command, sizeof(command), "write -P %u %llu %llu", pattern,
                 (unsigned long long)offset, (unsigned long long)len);
    else
        snprintf(command, sizeof(command), "write -z %llu %llu", (unsigned long long)offset,
                 (unsigned long long)len);
    run("qemu-io", "-f", "qcow2", "-c", command, path, NULL);
    memset(reference->data + offset, pattern, len);
}

static const char *make_chain(struct image *reference, const char *path)
{
    const char *middle = at("middle.qcow2");

    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", reference->path, middle,
        NULL);
    overwrite(reference, middle, 65536, 200 * 1024, 0x11);
    overwrite(reference, middle, 1024 * 1024, 512 * 1024, 0);
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", middle, path, NULL);
    overwrite(reference, path, 100 * 1024, 4096, 0x22);
    overwrite(reference, path, 2 * 1024 * 1024, 65536, 0);
    return path;
}

static const char *make_external(struct image *reference, const char *path)
{
    char options[320];

    snprintf(options, sizeof(options), "data_file=%s,data_file_raw=on", at("external.data"));
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-o", options, reference->path, path,
        NULL);
    return path;
}

static const struct kind kinds[] = {
    {"raw file", "raw", .make = use_reference},
    {"block device", "raw", .make = make_loop, .device = true},
    {"qcow2", "qcow2"},
    {"qcow2 v2", "qcow2", "compat=0.10"},
    {"qcow2 small clusters", "qcow2", "cluster_size=4096"},
    {"qcow2 extended l2", "qcow2", "extended_l2=on,cluster_size=131072"},
    {"qcow2 compressed", "qcow2", .compressed = true},
    {"qcow2 compressed by zstd", "qcow2", "compression_type=zstd", .compressed = true},
    {"qcow2 backing chain", "qcow2", .make = make_chain},
    {"qcow2 external data file", "qcow2", .make = make_external},
    {"vmdk", "vmdk"},
    {"vmdk stream", "vmdk", "subformat=streamOptimized", .compressed = true},
    {"vmdk of two files", "vmdk", "subformat=monolithicFlat"},
    {"vdi", "vdi"},
    {"vpc", "vpc", "force_size=on"},
    {"vhdx", "vhdx"},
    {"qed", "qed"},
    {"qcow", "qcow"},
    {"ploop", "ploop"},
};
#define KIND_COUNT (sizeof(kinds) / sizeof(*kinds))

/* Made and opened by the first test that needs it, for all tests of its kind. */
struct subject {
    struct image reference;
    char path[256];
    struct disk_reader *reader;
};

static struct subject subjects[KIND_COUNT];

static const char *qemu_name(const struct kind *kind)
{
    return strcmp(kind->format, "ploop") == 0 ? "parallels" : kind->format;
}

static void convert(const struct kind *kind, const char *from, const char *path)
{
    const char *how = kind->compressed ? "-c" : "-q";

    if (kind->options)
        run("qemu-img", "convert", how, "-f", "raw", "-O", qemu_name(kind), "-o", kind->options,
            from, path, NULL);
    else
        run("qemu-img", "convert", how, "-f", "raw", "-O", qemu_name(kind), from, path, NULL);
}

static void make_image(const struct kind *kind, struct subject *subject)
{
    unsigned number = (unsigned)(kind - kinds);
    const char *path = at_n("image", number);
    char name[32];

    if (kind->device)
        need_root();
    snprintf(name, sizeof(name), "reference-%u", number);
    subject->reference = image_make(name, IMAGE_SIZE);
    if (kind->make)
        path = kind->make(&subject->reference, path);
    else
        convert(kind, subject->reference.path, path);
    snprintf(subject->path, sizeof(subject->path), "%s", path);
}

static struct subject *open_subject(const struct kind *kind)
{
    struct subject *subject = &subjects[kind - kinds];
    struct err err = ERR_INIT;

    if (!subject->path[0])
        make_image(kind, subject);
    if (!subject->reader)
        assert_ok(disk_reader_open(subject->path, kind->format, &subject->reader, &err), &err);
    return subject;
}

static void gives_every_byte(void **state)
{
    const struct kind *kind = *state;
    struct subject *subject = open_subject(kind);
    struct disk_reader *reader = subject->reader;
    struct err err = ERR_INIT;
    uint8_t *data = malloc(IMAGE_SIZE);

    assert_true(disk_reader_size(reader) == IMAGE_SIZE);
    for (uint64_t offset = 0; offset < IMAGE_SIZE;) {
        struct disk_part part = {0};
        assert_ok(disk_reader_map(reader, offset, &part, &err), &err);
        assert_true(part.len > 0 && part.len <= IMAGE_SIZE - offset);
        if (part.kind == DISK_ZERO)
            memset(data + offset, 0, part.len);
        else
            assert_ok(disk_reader_read(reader, offset, data + offset, part.len, &err), &err);
        offset += part.len;
    }
    assert_memory_equal(data, subject->reference.data, IMAGE_SIZE);
    memset(data, 0xee, IMAGE_SIZE);
    assert_ok(disk_reader_read(reader, 0, data, IMAGE_SIZE, &err), &err);
    assert_memory_equal(data, subject->reference.data, IMAGE_SIZE);
    free(data);
}

/* What was read ahead is used, in part or not at all, and never for something else. */
static void reads_in_steps(void **state)
{
    struct subject *subject = open_subject(*state);
    struct err err = ERR_INIT;
    uint8_t *data = malloc(IMAGE_SIZE);

    for (int i = 0; i < 4; i++) {
        size_t most = i % 2 ? 1 << 20 : 1 << 17;
        for (uint64_t offset = 0; offset < IMAGE_SIZE;) {
            size_t len = (size_t)random_below(most) + 1;
            if (len > IMAGE_SIZE - offset)
                len = (size_t)(IMAGE_SIZE - offset);
            memset(data, 0xee, len);
            assert_ok(disk_reader_read(subject->reader, offset, data, len, &err), &err);
            assert_memory_equal(data, subject->reference.data + offset, len);
            offset += len + (random_below(3) ? 0 : random_below(most));
        }
    }
    free(data);
}

static void reads_any_range(void **state)
{
    struct subject *subject = open_subject(*state);
    struct err err = ERR_INIT;
    uint8_t *data = malloc(IMAGE_SIZE);

    for (int i = 0; i < 60; i++) {
        uint64_t offset = random_below(IMAGE_SIZE);
        size_t len = (size_t)random_below(i % 3 ? 70000 : IMAGE_SIZE) + 1;
        if (len > IMAGE_SIZE - offset)
            len = (size_t)(IMAGE_SIZE - offset);
        memset(data, 0xee, len);
        assert_ok(disk_reader_read(subject->reader, offset, data, len, &err), &err);
        assert_memory_equal(data, subject->reference.data + offset, len);
    }
    assert_int_equal(disk_reader_read(subject->reader, IMAGE_SIZE - 10, data, 11, &err), -1);
    assert_err(&err, ERR_INTERNAL, "end");
    free(data);
}

/* The parts that read as zeros as text, one a line, neighbours joined. */
static char *zeros_by_us(struct disk_reader *reader)
{
    struct err err = ERR_INIT;
    struct buf text = {0};
    uint64_t start = 0;
    bool before = false;

    struct disk_part part = {0};

    for (uint64_t offset = 0; offset <= IMAGE_SIZE; offset += part.len) {
        part = (struct disk_part){DISK_DATA, 1};
        if (offset < IMAGE_SIZE)
            assert_ok(disk_reader_map(reader, offset, &part, &err), &err);
        bool zero = part.kind == DISK_ZERO;
        if (zero && !before)
            start = offset;
        if (!zero && before)
            buf_printf(&text, "%llu-%llu\n", (unsigned long long)start, (unsigned long long)offset);
        before = zero;
    }
    buf_append_str(&text, "");
    return buf_take_str(&text);
}

static char *zeros_by_qemu(const char *path, const char *format)
{
    char *output =
        run_output("qemu-img", "map", "--output=json", "--force-share", "-f", format, path, NULL);
    struct json *map = json_parse(output, strlen(output), NULL);
    struct buf text = {0};
    uint64_t zero_start = 0;
    bool before = false;

    assert_non_null(map);
    for (size_t i = 0; i <= json_length(map); i++) {
        const struct json *entry = json_at(map, i);
        uint64_t start = IMAGE_SIZE;
        bool zero = entry && json_get_bool(entry, "zero");
        if (entry)
            assert_true(json_get_u64(entry, "start", &start));
        if (zero && !before)
            zero_start = start;
        if (!zero && before)
            buf_printf(&text, "%llu-%llu\n", (unsigned long long)zero_start,
                       (unsigned long long)start);
        before = zero;
    }
    json_free(map);
    free(output);
    buf_append_str(&text, "");
    return buf_take_str(&text);
}

static void knows_the_holes_that_qemu_knows(void **state)
{
    const struct kind *kind = *state;
    struct subject *subject = open_subject(kind);
    char *ours = zeros_by_us(subject->reader);

    if (kind->device) {
        assert_string_equal(ours, "");
    } else {
        char *theirs = zeros_by_qemu(subject->path, qemu_name(kind));
        assert_string_equal(ours, theirs);
        free(theirs);
    }
    free(ours);
}

/* Questions in any order are answered as those in order are. */
static void maps_from_any_offset(void **state)
{
    struct subject *subject = open_subject(*state);
    struct err err = ERR_INIT;

    for (int i = 0; i < 200; i++) {
        uint64_t offset = random_below(IMAGE_SIZE);
        struct disk_part part = {0};
        assert_ok(disk_reader_map(subject->reader, offset, &part, &err), &err);
        assert_true(part.len > 0 && part.len <= IMAGE_SIZE - offset);
        for (uint64_t n = 0; part.kind == DISK_ZERO && n < part.len; n++)
            if (subject->reference.data[offset + n])
                fail_msg("offset %llu is no zero", (unsigned long long)(offset + n));
    }
}

static void missing_image_is_not_found(void **state)
{
    const struct kind *kind = *state;
    struct disk_reader *reader = NULL;
    struct err err = ERR_INIT;

    assert_int_equal(disk_reader_open(at("missing"), kind->format, &reader, &err), -1);
    assert_err(&err, ERR_NOT_FOUND, "/missing: cannot open it: No such file");
}

/* ---- main ---------------------------------------------------------------------- */

/* The last test of each kind. */
static void leaves_nothing_behind(void **state)
{
    struct subject *subject = open_subject(*state);

    disk_reader_close(subject->reader);
    subject->reader = NULL;
    image_free(&subject->reference);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static const struct {
    const char *name;
    CMUnitTestFunction function;
} suite[] = {
    {"gives every byte", gives_every_byte},
    {"reads in steps", reads_in_steps},
    {"reads any range", reads_any_range},
    {"knows the holes that QEMU knows", knows_the_holes_that_qemu_knows},
    {"maps from any offset", maps_from_any_offset},
    {"missing image is not found", missing_image_is_not_found},
    {"leaves nothing behind", leaves_nothing_behind},
};
#define SUITE_COUNT (sizeof(suite) / sizeof(*suite))

int main(void)
{
    static char names[KIND_COUNT * SUITE_COUNT][96];
    struct CMUnitTest tests[KIND_COUNT * SUITE_COUNT];
    size_t n = 0;

    for (size_t k = 0; k < KIND_COUNT; k++)
        for (size_t s = 0; s < SUITE_COUNT; s++, n++) {
            snprintf(names[n], sizeof(names[n]), "%s: %s", kinds[k].name, suite[s].name);
            tests[n] = (struct CMUnitTest){names[n], suite[s].function, NULL, NULL,
                                           (void *)(uintptr_t)&kinds[k]};
        }
    seed_start();
    return cmocka_run_group_tests_name("disk reader", tests, support_setup, support_teardown);
}
