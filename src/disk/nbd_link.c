/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/nbd_link.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libnbd.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/quit.h"
#include "base/units.h"
#include "disk/extent_map.h"

/* 2 MiB in flight keep a disk busy. With more, QEMU's allocator returns the memory of each request
 * to the kernel and takes fresh memory: to read 2.7 GiB of a guest's disk, QEMU took 1.5 s of CPU
 * time with 16 requests of 256 KiB, 1.1 s with 8 of them, and 0.9 s with 4 of 512 KiB. */
#define PIECE ((size_t)512 << 10)
#define MAX_UNDER_WAY 4

/* If a server owes us something and says nothing for this long, we give up. Opening an image, and
 * reading from storage that hangs, can take a while. */
#define STALL_LIMIT_MS (UINT64_C(10) * 60 * 1000)
#define HANDSHAKE_LIMIT_MS (UINT64_C(2) * 60 * 1000)
/* Nothing depends on the server's reply to our disconnect. */
#define SHUTDOWN_LIMIT_MS 1000

/* The protocol's lengths have 32 bits; this is a multiple of every cluster size. */
#define MAP_SPAN (UINT64_C(2) << 30)

/* QEMU's name for a dirty bitmap's context, and the flag of what was written (QEMU,
 * docs/interop/nbd.txt). */
#define BITMAP_PREFIX "qemu:dirty-bitmap:"
#define BITMAP_DIRTY UINT32_C(1)

struct link_piece { /* a request in flight */
    struct nbd_link *link;
    const char *what; /* "cannot read", for the error */
    uint64_t offset;
    bool busy;
};

struct nbd_link {
    int cut_fd; /* a duplicate of the socket, for nbd_link_cut */
    struct nbd_handle *nbd;
    uint64_t size;
    bool broken; /* connection lost, or ended with requests in flight */

    struct link_piece pieces[MAX_UNDER_WAY];
    uint8_t *written[MAX_UNDER_WAY]; /* owned: what each of them writes; NULL before its first */
    unsigned under_way;
    int failed_errno; /* of the failed piece with the lowest offset; 0: none */
    struct link_piece failed;

    bool has_holes;          /* the server has base:allocation */
    char *bitmap_context;    /* NULL: no bitmap is looked at */
    struct extent_map holes; /* DISK_ZERO, DISK_DATA */
    struct extent_map clean; /* DISK_SAME, DISK_DATA */
};

static int nbd_failure(struct nbd_link *link, const char *what, struct err *err)
{
    const char *text = nbd_get_error();

    link->broken = link->broken || nbd_aio_is_dead(link->nbd) || nbd_aio_is_closed(link->nbd);
    return err_set(err, ERR_IO, "%s: %s", what, text ? text : "unknown NBD error");
}

/* Waits for the socket, for at most limit_ms and until a signal comes, and lets libnbd process what
 * arrived. quit: quit_fd(), or -1: signals are ignored. */
static int step_within(struct nbd_link *link, uint64_t limit_ms, int quit, struct err *err)
{
    unsigned direction = nbd_aio_get_direction(link->nbd);
    struct pollfd fds[2] = {{.fd = nbd_aio_get_fd(link->nbd)}, {.fd = quit, .events = POLLIN}};
    int result = 0;

    if (direction & LIBNBD_AIO_DIRECTION_READ)
        fds[0].events |= POLLIN;
    if (direction & LIBNBD_AIO_DIRECTION_WRITE)
        fds[0].events |= POLLOUT;
    int ready = poll(fds, 2, (int)limit_ms);
    if (ready < 0 && errno == EINTR)
        return 0;
    /* After a failure what is in flight is not waited for any more, so its memory may go: nothing may
     * arrive. */
    if (ready < 0) {
        link->broken = true;
        return err_set_errno(err, errno, "poll");
    }
    if (ready == 0) {
        link->broken = true;
        return err_set(err, ERR_IO, "the NBD server has not answered for %llu seconds",
                       (unsigned long long)limit_ms / 1000);
    }
    if (fds[1].revents && quit_check(err) < 0) {
        link->broken = true;
        return -1;
    }
    if (direction & LIBNBD_AIO_DIRECTION_READ && fds[0].revents & (POLLIN | POLLHUP | POLLERR))
        result = nbd_aio_notify_read(link->nbd);
    else if (fds[0].revents)
        result = nbd_aio_notify_write(link->nbd);
    if (result == 0)
        return 0;
    link->broken = true;
    return nbd_failure(link, "the NBD connection failed", err);
}

static int step_link(struct nbd_link *link, struct err *err)
{
    return step_within(link, STALL_LIMIT_MS, quit_fd(), err);
}

static int check_usable(const struct nbd_link *link, struct err *err)
{
    return link->broken ? err_set(err, ERR_IO, "the connection to the NBD server was lost") : 0;
}

/* The contexts of the map. Refuses a server that lacks the bitmap; without base:allocation
 * everything must be read. */
static int check_contexts(struct nbd_link *link, const char *bitmap, struct err *err)
{
    link->has_holes = nbd_can_meta_context(link->nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) == 1;
    if (link->bitmap_context && nbd_can_meta_context(link->nbd, link->bitmap_context) != 1)
        return err_set(err, ERR_NOT_FOUND, "the NBD server does not offer the dirty bitmap '%s'",
                       bitmap);
    return 0;
}

int nbd_link_open(int socket, const char *export_name, const char *bitmap, struct nbd_link **ret,
                  struct err *err)
{
    CLEANUP_CLOSE int owned_socket = socket;
    CLEANUP(nbd_link_freep) struct nbd_link *link = mem_alloc(sizeof(*link));

    /* A second descriptor of the same socket, which stays ours whatever libnbd does. */
    link->cut_fd = fcntl(socket, F_DUPFD_CLOEXEC, 0);
    if (link->cut_fd < 0) {
        err_set_errno(err, errno, "cannot duplicate the NBD socket");
        /* The server must not wait for us, whoever else has the socket. */
        (void)shutdown(socket, SHUT_RDWR);
        return -1;
    }
    link->nbd = nbd_create();
    if (!link->nbd)
        return err_set(err, ERR_IO, "libnbd: %s", nbd_get_error());
    if (bitmap)
        link->bitmap_context = mem_printf("%s%s", BITMAP_PREFIX, bitmap);
    /* A client that does not ask for the server's block size may use any alignment. */
    if (nbd_set_request_block_size(link->nbd, false) < 0 ||
        nbd_set_export_name(link->nbd, export_name) < 0 ||
        nbd_add_meta_context(link->nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) < 0 ||
        (bitmap && nbd_add_meta_context(link->nbd, link->bitmap_context) < 0) ||
        nbd_aio_connect_socket(link->nbd, TAKE_FD(owned_socket)) < 0)
        return nbd_failure(link, "cannot start the NBD handshake", err);
    while (nbd_aio_is_connecting(link->nbd))
        if (step_within(link, HANDSHAKE_LIMIT_MS, quit_fd(), err) < 0)
            return -1;
    if (!nbd_aio_is_ready(link->nbd))
        return nbd_failure(link, "the NBD handshake failed", err);
    int64_t size = nbd_get_size(link->nbd);
    if (size < 0)
        return nbd_failure(link, "cannot get the size of the image", err);
    link->size = (uint64_t)size;
    if (check_contexts(link, bitmap, err) < 0)
        return -1;
    *ret = TAKE_PTR(link);
    return 0;
}

uint64_t nbd_link_size(const struct nbd_link *link)
{
    return link->size;
}

/* ---- transfers -------------------------------------------------------------- */

static int piece_done(void *opaque, int *error)
{
    struct link_piece *piece = opaque;
    struct nbd_link *link = piece->link;

    if (*error && (!link->failed_errno || piece->offset < link->failed.offset)) {
        link->failed_errno = *error;
        link->failed = *piece;
    }
    piece->busy = false;
    link->under_way--;
    return 1; /* retire the command; the error was noted */
}

/* Takes a free one, which counts as in flight from now on. NULL: none became free. */
static struct link_piece *begin_piece(struct nbd_link *link, const char *what, uint64_t offset,
                                      struct err *err)
{
    size_t i = 0;

    while (link->under_way == MAX_UNDER_WAY)
        if (step_link(link, err) < 0)
            return NULL;
    while (link->pieces[i].busy)
        i++;
    link->pieces[i] = (struct link_piece){link, what, offset, true};
    link->under_way++;
    return &link->pieces[i];
}

/* Call this if it could not be sent. */
static int drop_piece(struct link_piece *piece, struct err *err)
{
    piece->busy = false;
    piece->link->under_way--;
    return nbd_failure(piece->link, piece->what, err);
}

/* Waits for everything that was queued. The error names the lowest offset that failed. */
static int settle_pieces(struct nbd_link *link, struct err *err)
{
    if (check_usable(link, err) < 0)
        return -1;
    while (link->under_way > 0)
        if (step_link(link, err) < 0)
            return -1;
    if (!link->failed_errno)
        return 0;
    int failed_errno = link->failed_errno;
    link->failed_errno = 0;
    if (nbd_aio_is_dead(link->nbd) || nbd_aio_is_closed(link->nbd)) {
        link->broken = true;
        return check_usable(link, err);
    }
    return err_set_errno(err, failed_errno, "%s at byte %" PRIu64, link->failed.what,
                         link->failed.offset);
}

/* What a piece writes stays until the server has answered, or the connection is closed. */
static const void *keep_written(const struct link_piece *piece, const void *data, size_t len)
{
    uint8_t **kept = &piece->link->written[piece - piece->link->pieces];

    if (!*kept)
        *kept = mem_alloc(PIECE);
    memcpy(*kept, data, len);
    return *kept;
}

static int queue_pieces(struct nbd_link *link, uint64_t offset, void *read_to,
                        const void *write_from, size_t len, struct err *err)
{
    for (size_t at = 0; at < len;) {
        size_t part = len - at < PIECE ? len - at : PIECE;
        if (check_usable(link, err) < 0)
            return -1;
        if (link->failed_errno)
            return settle_pieces(link, err);
        struct link_piece *piece =
            begin_piece(link, read_to ? "cannot read" : "cannot write", offset + at, err);
        if (!piece)
            return -1;
        nbd_completion_callback done = {.callback = piece_done, .user_data = piece};
        int64_t cookie =
            read_to ? nbd_aio_pread(link->nbd, (char *)read_to + at, part, offset + at, done, 0)
                    : nbd_aio_pwrite(link->nbd,
                                     keep_written(piece, (const char *)write_from + at, part), part,
                                     offset + at, done, 0);
        if (cookie < 0)
            return drop_piece(piece, err);
        at += part;
    }
    return 0;
}

/* Nothing moves on a connection while we are elsewhere: what was queued goes to the server, which
 * then has work. */
static int send_pieces(struct nbd_link *link, struct err *err)
{
    while (link->under_way > 0 && nbd_aio_get_direction(link->nbd) & LIBNBD_AIO_DIRECTION_WRITE)
        if (step_link(link, err) < 0)
            return -1;
    return 0;
}

int nbd_link_write(struct nbd_link *link, uint64_t offset, const void *data, size_t len,
                   struct err *err)
{
    return queue_pieces(link, offset, NULL, data, len, err) < 0 ? -1 : send_pieces(link, err);
}

int nbd_link_fetch(struct nbd_link *link, uint64_t offset, void *data, size_t len, struct err *err)
{
    if (queue_pieces(link, offset, data, NULL, len, err) < 0) {
        (void)settle_pieces(link, NULL);
        return -1;
    }
    return settle_pieces(link, err);
}

int nbd_link_flush(struct nbd_link *link, struct err *err)
{
    if (settle_pieces(link, err) < 0)
        return -1;
    struct link_piece *piece = begin_piece(link, "cannot flush", 0, err);
    if (!piece)
        return -1;
    nbd_completion_callback done = {.callback = piece_done, .user_data = piece};
    if (nbd_aio_flush(link->nbd, done, 0) < 0)
        return drop_piece(piece, err);
    return settle_pieces(link, err);
}

/* ---- map -------------------------------------------------------------------- */

/* Takes one answer per request and context; whatever else a server says is ignored. */
static int note_extents(void *opaque, const char *context, uint64_t offset, uint32_t *entries,
                        size_t entry_count, int *error)
{
    struct nbd_link *link = opaque;
    bool is_bitmap = link->bitmap_context && strcmp(context, link->bitmap_context) == 0;
    struct extent_map *map = is_bitmap ? &link->clean : &link->holes;

    (void)offset;
    (void)error;
    if ((!is_bitmap && strcmp(context, LIBNBD_CONTEXT_BASE_ALLOCATION) != 0) || map->count > 0)
        return 0;
    for (size_t i = 0; i + 1 < entry_count; i += 2) {
        uint32_t flags = entries[i + 1];
        enum disk_part_kind kind = DISK_DATA;
        if (is_bitmap && !(flags & BITMAP_DIRTY))
            kind = DISK_SAME;
        if (!is_bitmap && flags & LIBNBD_STATE_ZERO)
            kind = DISK_ZERO;
        extent_map_add(map, entries[i], kind);
    }
    return 0;
}

static int ask_map(struct nbd_link *link, uint64_t offset, struct err *err)
{
    struct link_piece *piece = begin_piece(link, "cannot find the holes", offset, err);
    if (!piece)
        return -1;
    nbd_completion_callback done = {.callback = piece_done, .user_data = piece};
    nbd_extent_callback extents = {.callback = note_extents, .user_data = link};
    uint64_t span = link->size - offset < MAP_SPAN ? link->size - offset : MAP_SPAN;

    extent_map_begin(&link->holes, offset, link->size);
    extent_map_begin(&link->clean, offset, link->size);
    if (nbd_aio_block_status(link->nbd, span, offset, extents, done, 0) < 0)
        return drop_piece(piece, err);
    return settle_pieces(link, err);
}

/* Joins what both contexts say, which may cut the image in different places. */
static bool find_link_part(struct nbd_link *link, uint64_t offset, struct disk_part *ret)
{
    struct disk_part hole = {DISK_DATA, link->size - offset};
    struct disk_part clean = hole;

    if ((link->has_holes && !extent_map_find(&link->holes, offset, &hole)) ||
        (link->bitmap_context && !extent_map_find(&link->clean, offset, &clean)))
        return false;
    ret->kind = clean.kind;
    if (hole.kind == DISK_ZERO)
        ret->kind = clean.kind == DISK_SAME ? DISK_SAME_ZERO : DISK_ZERO;
    ret->len = hole.len < clean.len ? hole.len : clean.len;
    return true;
}

int nbd_link_map(struct nbd_link *link, uint64_t offset, struct disk_part *ret, struct err *err)
{
    if (check_usable(link, err) < 0)
        return -1;
    if (find_link_part(link, offset, ret))
        return 0;
    if (ask_map(link, offset, err) < 0)
        return -1;
    if (!find_link_part(link, offset, ret))
        return err_set(err, ERR_IO, "the NBD server does not say what is at offset %" PRIu64,
                       offset);
    return 0;
}

/* ---- end -------------------------------------------------------------------- */

bool nbd_link_is_lost(const struct nbd_link *link)
{
    return link->broken;
}

int nbd_link_shutdown(struct nbd_link *link, struct err *err)
{
    if (settle_pieces(link, err) < 0)
        return -1;
    link->broken = true;
    if (nbd_aio_disconnect(link->nbd, 0) < 0)
        return nbd_failure(link, "cannot close the NBD connection", err);
    /* nbd_shutdown would wait forever for the server to close its end. */
    uint64_t deadline_ms = units_now_ms() + SHUTDOWN_LIMIT_MS;
    while (!nbd_aio_is_closed(link->nbd) && !nbd_aio_is_dead(link->nbd)) {
        uint64_t now_ms = units_now_ms();
        if (now_ms >= deadline_ms || step_within(link, deadline_ms - now_ms, -1, NULL) < 0)
            break;
    }
    return 0;
}

void nbd_link_cut(const struct nbd_link *link)
{
    (void)shutdown(link->cut_fd, SHUT_RDWR);
}

void nbd_link_free(struct nbd_link *link)
{
    if (!link)
        return;
    /* Closes the socket; requests in flight are forgotten, and their memory is not touched. */
    nbd_close(link->nbd);
    for (size_t i = 0; i < MAX_UNDER_WAY; i++)
        free(link->written[i]);
    if (link->cut_fd >= 0) {
        /* If the handle never came to own its socket it leaves it open, and QEMU would wait for
         * this client forever. */
        (void)shutdown(link->cut_fd, SHUT_RDWR);
        close(link->cut_fd);
    }
    extent_map_clear(&link->holes);
    extent_map_clear(&link->clean);
    free(link->bitmap_context);
    free(link);
}
