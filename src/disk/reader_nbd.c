/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Images of all other formats, through a read-only qemu-nbd.
 */
#include "disk/reader_impl.h"

#include <fcntl.h>
#include <unistd.h>

#include "disk/local.h"
#include "disk/nbd_link.h"
#include "disk/qemu_lock.h"
#include "disk/qemu_nbd.h"
#include "disk/read_ahead.h"

struct nbd_reader {
    struct disk_reader base;
    struct qemu_nbd *server;
    struct nbd_link *link;
    struct read_ahead ahead;
    int *lock_fds; /* of each image in the chain */
    unsigned lock_count;
};

static void unlock_chain(struct nbd_reader *nbd)
{
    for (unsigned i = 0; i < nbd->lock_count; i++)
        close(nbd->lock_fds[i]);
    free(nbd->lock_fds);
}

/* qemu-nbd locks the image itself, but lets others write to a backing file. */
static int lock_chain(struct nbd_reader *nbd, const struct disk_info *info, struct err *err)
{
    nbd->lock_fds = mem_array(info->chain_length, sizeof(*nbd->lock_fds));
    for (unsigned i = 0; i < info->chain_length; i++) {
        CLEANUP_LOCAL struct local_file file = LOCAL_FILE_INIT;
        if (local_open(info->chain_paths[i], O_RDONLY, &file, err) < 0 ||
            qemu_lock_read(file.fd, err) < 0)
            return i == 0 ? -1 : err_prefix(err, "backing file '%s'", info->chain_paths[i]);
        nbd->lock_fds[nbd->lock_count++] = TAKE_FD(file.fd);
    }
    return 0;
}

static int explain(struct nbd_reader *nbd, struct err *err)
{
    return nbd_link_is_lost(nbd->link) ? qemu_nbd_explain(nbd->server, err) : -1;
}

static int map_nbd(struct disk_reader *reader, uint64_t offset, uint64_t *ret_len, bool *ret_zero,
                   struct err *err)
{
    struct nbd_reader *nbd = (struct nbd_reader *)reader;

    if (nbd_link_map(nbd->link, offset, ret_len, ret_zero, err) < 0)
        return explain(nbd, err);
    return 0;
}

static int read_nbd(struct disk_reader *reader, uint64_t offset, void *data, size_t len,
                    struct err *err)
{
    struct nbd_reader *nbd = (struct nbd_reader *)reader;

    if (read_ahead_read(&nbd->ahead, nbd->link, offset, data, len, err) < 0)
        return explain(nbd, err);
    return 0;
}

static void close_nbd(struct disk_reader *reader)
{
    struct nbd_reader *nbd = (struct nbd_reader *)reader;

    nbd_link_free(nbd->link);
    read_ahead_clear(&nbd->ahead);
    qemu_nbd_free(nbd->server);
    unlock_chain(nbd);
    free(nbd);
}

static const struct reader_kind nbd_kind = {.map = map_nbd, .read = read_nbd, .close = close_nbd};

static bool chain_can_direct(const struct disk_info *info)
{
    for (unsigned i = 0; i < info->chain_length; i++)
        if (!local_can_direct(info->chain_paths[i]))
            return false;
    return true;
}

static int connect_server(struct nbd_reader *nbd, const struct qemu_nbd_image *image,
                          struct err *err)
{
    int socket = -1;

    if (qemu_nbd_start(image, &nbd->server, &socket, err) < 0)
        return -1;
    if (nbd_link_open(socket, "", &nbd->link, err) < 0)
        return qemu_nbd_explain(nbd->server, err);
    nbd->base.size = nbd_link_size(nbd->link);
    return 0;
}

int disk_reader_open_nbd(const char *path, const struct format *format,
                         const struct disk_info *info, struct disk_reader **ret, struct err *err)
{
    struct qemu_nbd_image image = {path, format->qemu, .read_only = true,
                                   .direct = chain_can_direct(info)};
    struct nbd_reader *nbd = mem_alloc(sizeof(*nbd));

    nbd->base.kind = &nbd_kind;
    if (lock_chain(nbd, info, err) < 0 || connect_server(nbd, &image, err) < 0) {
        close_nbd(&nbd->base);
        return -1;
    }
    *ret = &nbd->base;
    return 0;
}
