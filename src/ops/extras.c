/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/extras.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/io.h"
#include "codec/chunk_digest.h"
#include "guest/definition/definition.h"
#include "ops/describe.h"
#include "record/content_digest.h"

/* Extras are hashed in pieces of this size, like the chunks of an image. */
#define EXTRA_CHUNK (UINT64_C(4) << 20)

static void content_of(const uint8_t *data, size_t len, uint8_t ret[static DIGEST_SIZE])
{
    CLEANUP(content_digest_freep) struct content_digest *content = content_digest_new();
    CLEANUP(chunk_digest_freep) struct chunk_digest *chunk = chunk_digest_new();
    uint8_t digest[DIGEST_SIZE];

    for (size_t at = 0; at < len; at += EXTRA_CHUNK) {
        size_t piece = len - at < EXTRA_CHUNK ? len - at : EXTRA_CHUNK;
        chunk_digest_of(chunk, data + at, piece, digest);
        content_digest_add(content, digest, 1);
    }
    content_digest_finish(content, ret);
}

/* ---- what a guest has ------------------------------------------------------------------ */

const char *extras_kind_text(enum manifest_extra_kind kind)
{
    return kind == EXTRA_TPM ? "TPM state" : "NVRAM";
}

/* *ret_fd is -1 if there is no such file. */
static int open_extra(const char *path, int *ret_fd, size_t *ret_len, struct err *err)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    *ret_fd = -1;
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set_errno(err, errno, "%s: cannot open", path);
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > EXTRA_MAX_SIZE)
        return err_set(err, ERR_UNSUPPORTED,
                       "%s: is not a regular file of at most %" PRIu64 " bytes", path,
                       EXTRA_MAX_SIZE);
    *ret_len = (size_t)st.st_size;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

/* Takes ownership of the path; NULL: the guest has none. */
static int add_extra(struct extras *extras, enum manifest_extra_kind kind, char *path,
                     const char *format, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;
    size_t len = 0;

    if (!path)
        return 0;
    extras->files[extras->count++] =
        (struct extra_file){.kind = kind, .path = path, .format = format};
    if (*path != '/')
        return err_set(err, ERR_UNSUPPORTED,
                       "its %s (%s) is not a file on this host and cannot be backed up",
                       extras_kind_text(kind), path);
    if (open_extra(path, &fd, &len, err) < 0)
        return err_prefix(err, "%s", extras_kind_text(kind));
    return 0;
}

int extras_find(const struct hypervisor *hypervisor, const struct xml_doc *live,
                const struct xml_doc *definition, struct extras *ret, struct err *err)
{
    CLEANUP_FREE char *folder = hypervisor_tpm_folder(hypervisor);
    CLEANUP_FREE char *uuid = definition_uuid(definition);
    struct extras extras CLEANUP(extras_clear) = {0};
    const char *format = NULL;
    char *nvram = definition_nvram(live ? live : definition, &format);

    if (add_extra(&extras, EXTRA_NVRAM, nvram, format, err) < 0)
        return -1;
    /* A TPM that only the definition has may have a state from an earlier run. */
    bool runs = live && definition_has_tpm_emulator(live);
    char *tpm = definition_tpm_state(runs ? live : definition, folder, uuid);
    if (add_extra(&extras, EXTRA_TPM, tpm, NULL, err) < 0)
        return -1;
    *ret = extras;
    extras = (struct extras){0};
    return 0;
}

void extras_clear(struct extras *extras)
{
    for (size_t i = 0; i < extras->count; i++) {
        struct extra_file *file = &extras->files[i];
        free(file->path);
        free(file->data);
        free(file->owner.user);
        free(file->owner.group);
        free(file->owner.selinux);
    }
    *extras = (struct extras){0};
}

/* ---- into the backup ------------------------------------------------------------------- */

static int read_extra(struct extra_file *file, struct err *err)
{
    struct manifest_owner owner = {0};
    CLEANUP_CLOSE int fd = -1;
    size_t len = 0;

    if (open_extra(file->path, &fd, &len, err) < 0)
        return -1;
    if (fd < 0)
        return 0;
    CLEANUP_FREE uint8_t *data = mem_alloc(len);
    if (io_pread(fd, data, len, 0, err) < 0)
        return err_prefix(err, "%s", file->path);
    if (describe_owner(file->path, &owner, err) < 0)
        return -1;
    const struct extra_file was = *file;
    file->data = TAKE_PTR(data);
    file->len = len;
    file->owner = owner;
    free(was.data);
    free(was.owner.user);
    free(was.owner.group);
    free(was.owner.selinux);
    return 0;
}

int extras_read(struct extras *extras, struct err *err)
{
    for (size_t i = 0; i < extras->count; i++)
        if (read_extra(&extras->files[i], err) < 0)
            return err_prefix(err, "%s", extras_kind_text(extras->files[i].kind));
    return 0;
}

static void describe_extra(struct manifest *manifest, const struct extra_file *file,
                           const struct manifest_stored *in_store)
{
    struct manifest_extra *extra = manifest_add_extra(manifest);
    struct manifest_stored *stored = &extra->stored;

    extra->kind = file->kind;
    extra->path = mem_strdup(file->path);
    extra->format = mem_strdup(file->format);
    extra->owner = file->owner;
    extra->owner.user = mem_strdup(file->owner.user);
    extra->owner.group = mem_strdup(file->owner.group);
    extra->owner.selinux = mem_strdup(file->owner.selinux);
    *stored = *in_store;
    stored->image.raw_size = file->len;
    stored->image.chunk_size = EXTRA_CHUNK;
    stored->image.has_content = true;
    content_of(file->data, file->len, stored->image.content);
}

static int store_extra(const struct extra_file *file, struct points_set *set,
                       struct manifest *manifest, struct err *err)
{
    struct manifest_stored in_store = {0};

    if (points_put_small(set, file->kind, file->data, file->len, &in_store, err) < 0)
        return -1;
    describe_extra(manifest, file, &in_store);
    return 0;
}

int extras_store(const struct extras *extras, struct points_set *set, struct manifest *manifest,
                 struct err *err)
{
    for (size_t i = 0; i < extras->count; i++)
        if (extras->files[i].data && store_extra(&extras->files[i], set, manifest, err) < 0)
            return err_prefix(err, "%s", extras_kind_text(extras->files[i].kind));
    return 0;
}

/* ---- out of it ------------------------------------------------------------------------- */

const struct manifest_extra *extras_in_manifest(const struct manifest *manifest,
                                                enum manifest_extra_kind kind)
{
    for (size_t i = 0; i < manifest->extra_count; i++)
        if (manifest->extras[i].kind == kind)
            return &manifest->extras[i];
    return NULL;
}

static int read_stored(const struct point *backup, const struct manifest_stored *stored,
                       uint8_t **ret_data, struct err *err)
{
    uint8_t digest[DIGEST_SIZE];

    if (stored->image.raw_size > EXTRA_MAX_SIZE || stored->codec.type != CODEC_NONE)
        return err_set(err, ERR_CORRUPT, "the manifest gives it an impossible size or compression");
    CLEANUP_FREE uint8_t *data = NULL;
    if (points_read_small(backup, stored, &data, err) < 0)
        return -1;
    content_of(data, (size_t)stored->image.raw_size, digest);
    if (stored->image.chunk_size == EXTRA_CHUNK &&
        memcmp(digest, stored->image.content, DIGEST_SIZE) != 0)
        return err_set(err, ERR_CORRUPT, "its content digest is not the one in the manifest");
    *ret_data = TAKE_PTR(data);
    return 0;
}

/* A qcow2 NVRAM image is stored with its header, and QEMU would open whatever that names. */
static int check_qcow2(const uint8_t *data, size_t len, struct err *err)
{
    static const uint64_t known_bits =
        1 | 2 | 8 | 16; /* dirty, corrupt, compression, extended L2 */
    struct reader reader = reader_of(data, len);
    uint32_t magic = reader_be32(&reader);
    uint32_t version = reader_be32(&reader);
    uint64_t backing = reader_be64(&reader);
    reader_bytes(&reader, 16); /* backing name's length, cluster bits, size */
    uint32_t encryption = reader_be32(&reader);
    reader_bytes(&reader, 36); /* tables, snapshots */
    uint64_t incompatible = version >= 3 ? reader_be64(&reader) : 0;

    if (reader_check(&reader, "its qcow2 header", err) < 0)
        return -1;
    if (magic != 0x514649fb || version < 2 || version > 3)
        return err_set(err, ERR_CORRUPT, "is not the qcow2 image that the manifest says it is");
    if (backing || encryption || (incompatible & ~known_bits))
        return err_set(err, ERR_CORRUPT,
                       "its qcow2 header names other files, encryption, or unknown features");
    return 0;
}

int extras_restore(const struct point *backup, const struct manifest_extra *extra, int fd,
                   struct err *err)
{
    CLEANUP_FREE uint8_t *data = NULL;
    const struct manifest_stored *stored = &extra->stored;
    CLEANUP_FREE char *where = points_item_text(backup, stored);

    if (read_stored(backup, stored, &data, err) < 0)
        return err_prefix(err, "%s", where);
    if (extra->format && strcmp(extra->format, "qcow2") == 0 &&
        check_qcow2(data, (size_t)stored->image.raw_size, err) < 0)
        return err_prefix(err, "%s", where);
    return fd < 0 ? 0 : io_write(fd, data, (size_t)stored->image.raw_size, err);
}

int extras_copy(const struct point *from, const struct manifest_extra *extra, struct points_set *to,
                struct manifest_stored *ret, struct err *err)
{
    const struct manifest_stored *stored = &extra->stored;
    const size_t len = (size_t)stored->image.raw_size;
    struct manifest_stored copy = {0};
    CLEANUP_FREE uint8_t *data = NULL;
    CLEANUP_FREE char *where = points_item_text(from, stored);

    if (read_stored(from, stored, &data, err) < 0)
        return err_prefix(err, "%s", where);
    if (points_put_small(to, extra->kind, data, len, &copy, err) < 0)
        return -1;
    copy.image =
        (struct manifest_image){.raw_size = len, .chunk_size = EXTRA_CHUNK, .has_content = true};
    content_of(data, len, copy.image.content);
    *ret = copy;
    return 0;
}
