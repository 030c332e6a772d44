/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Images of all other formats, through a read-only qemu-nbd. The parts of a qcow2 image that a file
 * contains just as the guest sees them are read from that file, as from a raw file: a socket would
 * take many times the CPU time.
 */
#include "disk/reader_impl.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/page_cache.h"
#include "disk/cluster_map.h"
#include "disk/local.h"
#include "disk/nbd_link.h"
#include "disk/qemu_lock.h"
#include "disk/qemu_nbd.h"

struct chain_file {
    char *path;
    int fd;                   /* holds its lock */
    struct page_cache *cache; /* NULL: we do not read it */
};

struct nbd_reader {
    struct disk_reader base;
    struct qemu_nbd *server;
    struct nbd_link *link;
    struct chain_file *files; /* one per image in the chain */
    unsigned file_count;
    uint64_t *file_sizes;
    struct cluster_map *map; /* NULL: everything is read through the server */
    bool has_bitmap;         /* the link knows what was not written to */
};

static void close_chain(struct nbd_reader *nbd)
{
    for (unsigned i = 0; i < nbd->file_count; i++) {
        page_cache_free(nbd->files[i].cache);
        qemu_lock_release(nbd->files[i].fd);
        close(nbd->files[i].fd);
        free(nbd->files[i].path);
    }
    free(nbd->files);
    free(nbd->file_sizes);
}

/* qemu-nbd locks the image itself, but allows others to write to a backing file. */
static int lock_chain(struct nbd_reader *nbd, const struct disk_info *info, struct err *err)
{
    nbd->files = mem_array(info->chain_length, sizeof(*nbd->files));
    nbd->file_sizes = mem_array(info->chain_length, sizeof(*nbd->file_sizes));
    for (unsigned i = 0; i < info->chain_length; i++) {
        CLEANUP_LOCAL struct local_file file = LOCAL_FILE_INIT;
        if (local_open(info->chain_paths[i], O_RDONLY, &file, err) < 0 ||
            qemu_lock_read(file.fd, err) < 0)
            return i == 0 ? -1 : err_prefix(err, "backing file '%s'", info->chain_paths[i]);
        nbd->file_sizes[i] = file.size;
        nbd->files[nbd->file_count++] =
            (struct chain_file){mem_strdup(info->chain_paths[i]), TAKE_FD(file.fd), NULL};
    }
    return 0;
}

static int explain_read(struct nbd_reader *nbd, struct err *err)
{
    return nbd_link_is_lost(nbd->link) ? qemu_nbd_explain(nbd->server, err) : -1;
}

static void find_cluster_part(struct nbd_reader *nbd, uint64_t offset, struct cluster_part *ret)
{
    if (nbd->map)
        cluster_map_find(nbd->map, offset, ret);
    else
        *ret = (struct cluster_part){CLUSTER_OTHER, .len = nbd->base.size - offset};
}

static int ask_server(struct nbd_reader *nbd, uint64_t offset, struct disk_part *ret,
                      struct err *err)
{
    return nbd_link_map(nbd->link, offset, ret, err) < 0 ? explain_read(nbd, err) : 0;
}

static int map_nbd(struct disk_reader *reader, uint64_t offset, struct disk_part *ret,
                   struct err *err)
{
    struct nbd_reader *nbd = (struct nbd_reader *)reader;
    struct cluster_part part;

    if (nbd->has_bitmap)
        return ask_server(nbd, offset, ret, err);
    find_cluster_part(nbd, offset, &part);
    *ret = (struct disk_part){part.kind == CLUSTER_ZERO ? DISK_ZERO : DISK_DATA, part.len};
    if (part.kind != CLUSTER_OTHER)
        return 0;
    if (ask_server(nbd, offset, ret, err) < 0)
        return -1;
    if (ret->len > part.len)
        ret->len = part.len;
    return 0;
}

static int read_in_file(struct nbd_reader *nbd, uint64_t offset, const struct cluster_part *part,
                        void *data, size_t len, struct err *err)
{
    const struct chain_file *file = &nbd->files[part->depth];

    if (page_cache_read(file->cache, part->offset, data, len, err) == 0)
        return 0;
    if (part->depth > 0)
        err_prefix(err, "backing file '%s'", file->path);
    return err_prefix(err, "at byte %" PRIu64 " of the image", offset);
}

static int read_nbd(struct disk_reader *reader, uint64_t offset, void *data, size_t len,
                    struct err *err)
{
    struct nbd_reader *nbd = (struct nbd_reader *)reader;

    for (size_t at = 0, step; at < len; at += step) {
        struct cluster_part part;
        char *to = (char *)data + at;
        int result = 0;
        find_cluster_part(nbd, offset + at, &part);
        step = part.len < len - at ? (size_t)part.len : len - at;
        if (part.kind == CLUSTER_ZERO)
            memset(to, 0, step);
        else if (part.kind == CLUSTER_IN_FILE)
            result = read_in_file(nbd, offset + at, &part, to, step, err);
        else if (nbd_link_fetch(nbd->link, offset + at, to, step, err) < 0)
            result = explain_read(nbd, err);
        if (result < 0)
            return -1;
    }
    return 0;
}

static bool hold_nbd(const struct disk_reader *reader, size_t n, struct disk_hold *ret)
{
    const struct nbd_reader *nbd = (const struct nbd_reader *)reader;

    *ret = n < nbd->file_count ? (struct disk_hold){DISK_HOLD_LOCK, nbd->files[n].fd}
                               : (struct disk_hold){DISK_HOLD_PROCESS, qemu_nbd_pidfd(nbd->server)};
    return n <= nbd->file_count;
}

static void close_nbd(struct disk_reader *reader)
{
    struct nbd_reader *nbd = (struct nbd_reader *)reader;

    nbd_link_free(nbd->link);
    qemu_nbd_free(nbd->server);
    cluster_map_free(nbd->map);
    close_chain(nbd);
    free(nbd);
}

static const struct reader_kind reader_nbd_kind = {
    .map = map_nbd, .read = read_nbd, .hold = hold_nbd, .close = close_nbd};

static bool chain_can_direct(const struct disk_info *info)
{
    for (unsigned i = 0; i < info->chain_length; i++)
        if (!local_can_direct(-1, info->chain_paths[i]))
            return false;
    return true;
}

static int connect_server(struct nbd_reader *nbd, const struct qemu_nbd_image *image,
                          struct err *err)
{
    int socket = -1;

    if (qemu_nbd_start(image, &nbd->server, &socket, err) < 0)
        return -1;
    if (nbd_link_open(socket, "", image->bitmap, &nbd->link, err) < 0)
        return qemu_nbd_explain(nbd->server, err);
    nbd->base.size = nbd_link_size(nbd->link);
    return 0;
}

/* The chain is locked: from here on nothing in it changes. */
static void read_directly(struct nbd_reader *nbd, const struct qemu_nbd_image *image,
                          uint64_t min_part)
{
    struct cluster_image clusters = {.path = nbd->files[0].path,
                                     .qemu_format = image->qemu_format,
                                     .direct = image->direct,
                                     .size = nbd->base.size,
                                     .file_sizes = nbd->file_sizes,
                                     .file_count = nbd->file_count,
                                     .min_part = min_part};

    for (unsigned i = 0; i < nbd->file_count; i++)
        nbd->files[i].cache = page_cache_new(nbd->files[i].fd, nbd->file_sizes[i]);
    nbd->map = cluster_map_new(&clusters);
}

int disk_reader_open_nbd(const struct reader_request *request, const struct format *format,
                         const struct disk_info *info, struct disk_reader **ret, struct err *err)
{
    struct qemu_nbd_image image = {
        .path = request->path,
        .qemu_format = format->qemu,
        .read_only = true,
        .direct = chain_can_direct(info),
        .bitmap = request->bitmap,
    };
    struct nbd_reader *nbd = mem_alloc(sizeof(*nbd));

    nbd->base.kind = &reader_nbd_kind;
    nbd->has_bitmap = request->bitmap != NULL;
    if (lock_chain(nbd, info, err) < 0 || connect_server(nbd, &image, err) < 0) {
        close_nbd(&nbd->base);
        return -1;
    }
    if (info->plain_chain)
        read_directly(nbd, &image, request->min_part);
    *ret = &nbd->base;
    return 0;
}
