/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sample.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "archive/archive.h"
#include "archive/image.h"
#include "base/io.h"

char *sample_read(const char *folder, const char *name, size_t *ret_len)
{
    CLEANUP_FREE char *path = mem_printf("%s/%s", folder, name);
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return NULL;
    assert_int_equal(fstat(fd, &st), 0);
    char *data = mem_alloc((size_t)st.st_size + 1);
    assert_int_equal(io_pread(fd, data, (size_t)st.st_size, 0, NULL), 0);
    if (ret_len)
        *ret_len = (size_t)st.st_size;
    return data;
}

bool sample_exists(const char *folder, const char *name)
{
    CLEANUP_FREE char *path = mem_printf("%s/%s", folder, name);
    struct stat st;

    return lstat(path, &st) == 0;
}

static int not_dots(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

char *sample_names(const char *folder)
{
    struct dirent **entries = NULL;
    struct buf text = {0};
    int count = scandir(folder, &entries, not_dots, by_bytes);

    assert_true(count >= 0);
    for (int i = 0; i < count; i++) {
        buf_printf(&text, "%s%s", i ? " " : "", entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    buf_append_str(&text, "");
    return text.data ? buf_take_str(&text) : mem_strdup("");
}

void sample_check_names(const char *folder, const char *expected)
{
    CLEANUP_FREE char *names = sample_names(folder);

    assert_string_equal(names, expected);
}

/* ---- whole backups ------------------------------------------------------------- */

int sample_backup(struct archive_writer *writer, const char *domain, const char *uuid,
                  const char *tag, const char *const *targets, bool replace, struct err *err)
{
    CLEANUP(manifest_freep) struct manifest *manifest = sample_manifest(domain, uuid);
    CLEANUP(backup_set_abortp) struct backup_set *set = NULL;

    const struct backup_set_request request = {
        .domain = domain, .uuid = uuid, .replace = replace ? BACKUP_SET_REPLACE : BACKUP_SET_KEEP};
    if (backup_set_begin(writer, &request, &set, err) < 0)
        return -1;
    for (; *targets; targets++) {
        CLEANUP_FREE char *data = mem_printf("%s %s", tag, *targets);
        const struct manifest_disk *disk = sample_add_disk(manifest, *targets, data, strlen(data));
        int fd = -1;
        if (backup_set_create(set, disk->stored.file.name, &fd, err) < 0 ||
            io_write(fd, data, strlen(data), err) < 0)
            return -1;
    }
    return backup_set_commit(TAKE_PTR(set), manifest, err);
}

struct archive_writer *sample_open_writer(const char *folder)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct archive_writer *writer = NULL;

    CHECK(archive_writer_open(folder, NULL, &writer, &err), &err);
    return writer;
}

struct archive_reader *sample_open_reader(const char *folder)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct archive_reader *reader = NULL;

    CHECK(archive_reader_open(folder, NULL, &reader, &err), &err);
    return reader;
}

void sample_back_up(const char *folder, const char *domain, const char *uuid, const char *tag,
                    const char *const *targets, bool replace)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP(archive_writer_closep) struct archive_writer *writer = sample_open_writer(folder);

    CHECK(sample_backup(writer, domain, uuid, tag, targets, replace, &err), &err);
}

void sample_check_list(const char *folder, const char *expected)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP(archive_reader_closep) struct archive_reader *reader = sample_open_reader(folder);
    CLEANUP_BUF struct buf text = {0};
    CLEANUP_STRINGS struct strings names = {0};

    CHECK(archive_reader_list(reader, &names, &err), &err);
    buf_append(&text, "", 0);
    for (size_t i = 0; i < names.count; i++)
        buf_printf(&text, "%s%s", i ? " " : "", names.items[i]);
    buf_put_u8(&text, 0);
    assert_string_equal((const char *)text.data, expected);
}

void sample_check_backup(const char *folder, const char *domain, const char *tag,
                         const char *const *targets)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP(archive_reader_closep) struct archive_reader *reader = NULL;
    CLEANUP(archive_backup_closep) struct archive_backup *backup = NULL;
    size_t count = 0;

    CHECK(archive_reader_open(folder, NULL, &reader, &err), &err);
    CHECK(archive_backup_open(reader, domain, &backup, &err), &err);
    const struct manifest *manifest = archive_backup_manifest(backup);
    for (; *targets; targets++, count++) {
        CLEANUP_FREE char *data = mem_printf("%s %s", tag, *targets);
        CLEANUP_CLOSE int fd = -1;
        char stored[64] = "";
        uint8_t content[DIGEST_SIZE];

        assert_true(count < manifest->disk_count);
        CHECK(archive_backup_open_file(backup, &manifest->disks[count].stored, &fd, &err), &err);
        CHECK(io_pread(fd, stored, strlen(data), 0, &err), &err);
        assert_string_equal(stored, data);
        digest_of(stored, strlen(stored), content);
        assert_memory_equal(content, manifest->disks[count].stored.image.content, DIGEST_SIZE);
    }
    assert_int_equal(manifest->disk_count, count);
}

void sample_write_image(int fd, const struct codec_spec *spec, const uint8_t *image, size_t len,
                        const char *head, struct manifest_stored *ret)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP(encoder_freep) struct encoder *encoder = encoder_new(spec, SAMPLE_CHUNK, &err);
    CLEANUP(image_writer_freep) struct image_writer *writer = NULL;
    size_t cap = codec_result_bound(spec, SAMPLE_CHUNK);
    CLEANUP_FREE uint8_t *result = mem_alloc(cap);

    const struct image_file file = {fd, "image"};
    const struct image_layout layout = {*spec, SAMPLE_CHUNK, len, head, strlen(head)};
    CHECK(image_writer_new(&file, &layout, &writer, &err), &err);
    const struct chunk_sink sink = image_writer_sink(writer);
    for (size_t offset = 0; offset < len; offset += SAMPLE_CHUNK) {
        size_t piece = len - offset < SAMPLE_CHUNK ? len - offset : SAMPLE_CHUNK;
        struct codec_room room = {result, cap};
        CHECK(encoder_encode(encoder, image + offset, piece, &room, &err), &err);
        const struct chunk_output output = {
            .id = offset / SAMPLE_CHUNK, .count = 1, .data = result, .len = room.len};
        CHECK(sink.put(sink.opaque, &output, &err), &err);
        sink.chain(sink.opaque, result, 1);
    }
    CHECK(image_writer_finish(writer, ret, &err), &err);
}
