/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Images of all other formats, through a read-only qemu-nbd, which locks them.
 */
#include "disk/reader_impl.h"

#include "disk/local.h"
#include "disk/nbd_link.h"
#include "disk/qemu_nbd.h"

struct nbd_reader {
    struct disk_reader base;
    struct qemu_nbd *server;
    struct nbd_link *link;
};

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

    if (nbd_link_read(nbd->link, offset, data, len, err) < 0) {
        nbd_link_settle(nbd->link, NULL);
        return explain(nbd, err);
    }
    return nbd_link_settle(nbd->link, err) < 0 ? explain(nbd, err) : 0;
}

static void close_nbd(struct disk_reader *reader)
{
    struct nbd_reader *nbd = (struct nbd_reader *)reader;

    nbd_link_free(nbd->link);
    qemu_nbd_free(nbd->server);
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

int disk_reader_open_nbd(const char *path, const struct format *format,
                         const struct disk_info *info, struct disk_reader **ret, struct err *err)
{
    CLEANUP(qemu_nbd_freep) struct qemu_nbd *server = NULL;
    struct qemu_nbd_image image = {path, format->qemu, .read_only = true,
                                   .direct = chain_can_direct(info)};
    struct nbd_link *link = NULL;
    int socket = -1;

    if (qemu_nbd_start(&image, &server, &socket, err) < 0)
        return -1;
    if (nbd_link_open(socket, "", &link, err) < 0)
        return qemu_nbd_explain(server, err);
    struct nbd_reader *nbd = mem_alloc(sizeof(*nbd));
    nbd->base.kind = &nbd_kind;
    nbd->base.size = nbd_link_size(link);
    nbd->server = TAKE_PTR(server);
    nbd->link = link;
    *ret = &nbd->base;
    return 0;
}
