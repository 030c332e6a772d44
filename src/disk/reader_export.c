/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Disks of a running guest: exports of the NBD server that QEMU runs for a backup job.
 */
#include "disk/reader_impl.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "disk/nbd_link.h"

struct export_reader {
    struct disk_reader base;
    struct nbd_link *link;
};

static struct nbd_link *link_of(struct disk_reader *reader)
{
    return ((struct export_reader *)reader)->link;
}

static int map_export(struct disk_reader *reader, uint64_t offset, struct disk_part *ret,
                      struct err *err)
{
    return nbd_link_map(link_of(reader), offset, ret, err);
}

static int read_export(struct disk_reader *reader, uint64_t offset, void *data, size_t len,
                       struct err *err)
{
    return nbd_link_fetch(link_of(reader), offset, data, len, err);
}

static void cut_export(struct disk_reader *reader)
{
    nbd_link_cut(link_of(reader));
}

static void close_export(struct disk_reader *reader)
{
    struct nbd_link *link = link_of(reader);

    /* An explicit disconnect, so that the server need not wait for us when its job ends. */
    if (!nbd_link_is_lost(link))
        (void)nbd_link_shutdown(link, NULL);
    nbd_link_free(link);
    free(reader);
}

static const struct reader_kind export_kind = {
    .map = map_export,
    .read = read_export,
    .cut = cut_export,
    .close = close_export,
};

int disk_export_connect(const char *socket_path, int *ret_socket, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(socket_path);

    if (len >= sizeof(address.sun_path))
        return err_set(err, ERR_UNSUPPORTED, "the socket's path is too long: %s", socket_path);
    memcpy(address.sun_path, socket_path, len + 1);
    /* If QEMU is stopped it accepts no connections, and connect() would wait until it does. */
    CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set_errno(err, errno, "cannot create a socket");
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0) {
        *ret_socket = TAKE_FD(fd);
        return 0;
    }
    bool later = errno == EAGAIN || errno == EINTR;
    err_set_errno(err, errno, "cannot connect to QEMU at %s", socket_path);
    if (err && later)
        err->kind = ERR_BUSY;
    return -1;
}

int disk_reader_open_socket(const struct disk_export *export, struct disk_reader **ret,
                            struct err *err)
{
    struct nbd_link *link = NULL;

    if (nbd_link_open(export->socket, export->name, export->bitmap, &link, err) < 0)
        return -1;
    struct export_reader *reader = mem_alloc(sizeof(*reader));
    reader->base.kind = &export_kind;
    reader->base.size = nbd_link_size(link);
    reader->link = link;
    *ret = &reader->base;
    return 0;
}
