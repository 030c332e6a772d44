/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/extras.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/image.h"
#include "base/io.h"
#include "ops/describe.h"

/* Extras are hashed in pieces of this size, like the chunks of an image. */
#define EXTRA_CHUNK (UINT64_C(4) << 20)

static void content_of(const uint8_t *data, size_t len, uint8_t ret[static DIGEST_SIZE])
{
    CLEANUP(content_digest_freep) struct content_digest *content = content_digest_new();
    uint8_t digest[DIGEST_SIZE];

    for (size_t at = 0; at < len; at += EXTRA_CHUNK) {
        size_t piece = len - at < EXTRA_CHUNK ? len - at : EXTRA_CHUNK;
        digest_of(data + at, piece, digest);
        content_digest_add(content, digest);
    }
    content_digest_finish(content, ret);
}

/* The whole file; *ret_data NULL when there is none. */
static int read_whole(const char *path, uint8_t **ret_data, size_t *ret_len, struct err *err)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    if (fd < 0 && errno == ENOENT) {
        *ret_data = NULL;
        return 0;
    }
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set_errno(err, errno, "%s: cannot open", path);
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > EXTRA_MAX_SIZE)
        return err_set(err, ERR_UNSUPPORTED,
                       "%s: is not a regular file of at most %" PRIu64 " bytes", path,
                       EXTRA_MAX_SIZE);
    CLEANUP_FREE uint8_t *data = mem_alloc((size_t)st.st_size);
    if (io_pread(fd, data, (size_t)st.st_size, 0, err) < 0)
        return err_prefix(err, "%s", path);
    *ret_len = (size_t)st.st_size;
    *ret_data = TAKE_PTR(data);
    return 0;
}

int extras_store(struct backup_set *set, struct manifest *manifest, const char *kind,
                 const char *path, const char *format, struct err *err)
{
    CLEANUP_FREE uint8_t *data = NULL;
    CLEANUP_FREE char *name = archive_extra_name(manifest->domain_name, kind, err);
    struct manifest_owner owner = {0};
    size_t len = 0;
    int fd = -1;

    if (!name || read_whole(path, &data, &len, err) < 0)
        return -1;
    if (!data)
        return 0;
    if (describe_owner(path, &owner, err) < 0)
        return -1;
    struct manifest_extra *extra = manifest_add_extra(manifest);
    extra->kind = mem_strdup(kind);
    extra->path = mem_strdup(path);
    extra->format = mem_strdup(format);
    extra->owner = owner;
    if (backup_set_create(set, name, &fd, err) < 0)
        return -1;
    if (io_write(fd, data, len, err) < 0)
        return err_prefix(err, "%s", name);
    struct manifest_stored *stored = &extra->stored;
    stored->name = TAKE_PTR(name);
    stored->size = len;
    stored->raw_size = len;
    stored->chunk_size = EXTRA_CHUNK;
    stored->has_sha256 = true;
    digest_of(data, len, stored->sha256);
    content_of(data, len, stored->content);
    return 0;
}

static int read_stored(struct archive_reader *archive, const struct manifest_stored *stored,
                       uint8_t **ret_data, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;
    uint8_t digest[DIGEST_SIZE];

    if (stored->size > EXTRA_MAX_SIZE || stored->codec.type != CODEC_NONE ||
        stored->raw_size != stored->size)
        return err_set(err, ERR_CORRUPT, "the manifest gives it an impossible size or compression");
    if (archive_reader_open_file(archive, stored, &fd, err) < 0)
        return -1;
    CLEANUP_FREE uint8_t *data = mem_alloc((size_t)stored->size);
    if (io_pread(fd, data, (size_t)stored->size, 0, err) < 0)
        return -1;
    digest_of(data, (size_t)stored->size, digest);
    if (!stored->has_sha256 || memcmp(digest, stored->sha256, DIGEST_SIZE) != 0)
        return err_set(err, ERR_CORRUPT, "its SHA-256 is not the one in the manifest");
    content_of(data, (size_t)stored->size, digest);
    if (stored->chunk_size == EXTRA_CHUNK && memcmp(digest, stored->content, DIGEST_SIZE) != 0)
        return err_set(err, ERR_CORRUPT, "its content digest is not the one in the manifest");
    *ret_data = TAKE_PTR(data);
    return 0;
}

int extras_restore(struct archive_reader *archive, const struct manifest_extra *extra,
                   const char *path, struct err *err)
{
    CLEANUP_FREE uint8_t *data = NULL;
    const struct manifest_stored *stored = &extra->stored;

    if (read_stored(archive, stored, &data, err) < 0)
        return err_prefix(err, "%s/%s", archive_reader_path(archive), stored->name);
    if (!path)
        return 0;
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_set_errno(err, errno, "%s: cannot create", path);
    if (io_write(fd, data, (size_t)stored->size, err) < 0 || io_sync(fd, err) < 0) {
        (void)unlink(path);
        return err_prefix(err, "%s", path);
    }
    return 0;
}
