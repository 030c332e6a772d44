/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Images of all other formats: made by qemu-img, written through qemu-nbd.
 */
#include "disk/writer_impl.h"

#include <inttypes.h>
#include <unistd.h>

#include "base/io.h"
#include "base/process.h"
#include "base/write_behind.h"
#include "disk/nbd_link.h"
#include "disk/qemu_lock.h"
#include "disk/qemu_nbd.h"

/* The usual cluster size: smaller holes save nothing. */
#define CLUSTER ((size_t)64 << 10)

struct nbd_writer {
    struct disk_writer base;
    struct qemu_nbd *server;
    struct nbd_link *link;
};

static int explain_write(struct nbd_writer *nbd, struct err *err)
{
    return nbd_link_is_lost(nbd->link) ? qemu_nbd_explain(nbd->server, err) : -1;
}

static int write_nbd(struct disk_writer *writer, uint64_t offset, const void *data, size_t len,
                     struct err *err)
{
    struct nbd_writer *nbd = (struct nbd_writer *)writer;

    return nbd_link_write(nbd->link, offset, data, len, err) < 0 ? explain_write(nbd, err) : 0;
}

static int finish_nbd(struct disk_writer *writer, struct err *err)
{
    struct nbd_writer *nbd = (struct nbd_writer *)writer;

    if (nbd_link_flush(nbd->link, err) < 0)
        return explain_write(nbd, err);
    if (nbd_link_shutdown(nbd->link, err) < 0 || qemu_nbd_finish(TAKE_PTR(nbd->server), err) < 0)
        return -1;
    /* qemu-nbd writes to the image's header when it closes it. */
    if (io_sync(writer->file.fd, err) < 0)
        return -1;
    write_behind_drop_all(writer->file.fd);
    return 0;
}

static void free_nbd(struct disk_writer *writer)
{
    struct nbd_writer *nbd = (struct nbd_writer *)writer;

    nbd_link_free(nbd->link);
    qemu_nbd_free(nbd->server);
}

static const struct writer_kind writer_nbd_kind = {
    .hole_size = CLUSTER, .write = write_nbd, .finish = finish_nbd, .free = free_nbd};

/* How programs reach it: a file through its folder, so that nobody can replace it meanwhile. */
static char *path_for_programs(const struct disk_target *target, const struct local_file *file)
{
    return file->block_device ? mem_strdup(target->path) : mem_printf("./%s", file->name);
}

/* qemu-img writes into the file that we made, or onto the device. */
static int create_qemu_image(const struct disk_target *target, const struct format *format,
                             const struct local_file *file, const char *path, struct err *err)
{
    CLEANUP_FREE char *size = mem_printf("%" PRIu64, target->image_size);
    CLEANUP_FREE char *options = NULL;
    const char *argv[10] = {"qemu-img", "create", "-q", "-f", format->qemu};
    size_t n = 5;

    if (disk_format_create_options(format, target->path, target->options, target->option_count,
                                   &options, err) < 0)
        return -1;
    if (options) {
        argv[n++] = "-o";
        argv[n++] = options;
    }
    argv[n++] = path;
    argv[n] = size;
    if (process_run_in(file->folder_fd, argv, NULL, err) < 0)
        return -1;
    if (!file->block_device && !local_is_in_place(file))
        return err_set(err, ERR_IO, "somebody else has put another file in its place");
    return 0;
}

int disk_writer_new_nbd(const struct disk_target *target, const struct format *format,
                        struct local_file *file, struct disk_writer **ret, struct err *err)
{
    CLEANUP(qemu_nbd_freep) struct qemu_nbd *server = NULL;
    CLEANUP(nbd_link_freep) struct nbd_link *link = NULL;
    CLEANUP_FREE char *path = path_for_programs(target, file);
    struct qemu_nbd_image image = {.path = path,
                                   .in_folder = !file->block_device,
                                   .folder_fd = file->folder_fd,
                                   .qemu_format = format->qemu,
                                   .direct = local_can_direct(file->folder_fd, path)};
    int socket = -1;

    if (qemu_lock_check_unused(file->fd, err) < 0 ||
        create_qemu_image(target, format, file, path, err) < 0 ||
        qemu_nbd_start(&image, &server, &socket, err) < 0)
        return -1;
    if (nbd_link_open(socket, "", NULL, &link, err) < 0)
        return qemu_nbd_explain(server, err);
    if (nbd_link_size(link) < target->image_size)
        return err_set(err, ERR_UNSUPPORTED,
                       "an image of this format would have %" PRIu64 " bytes instead of %" PRIu64,
                       nbd_link_size(link), target->image_size);
    struct nbd_writer *nbd = mem_alloc(sizeof(*nbd));
    nbd->base.kind = &writer_nbd_kind;
    nbd->server = TAKE_PTR(server);
    nbd->link = TAKE_PTR(link);
    *ret = &nbd->base;
    return 0;
}
