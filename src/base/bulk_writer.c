/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/bulk_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/large_pages.h"
#include "base/units.h"
#include "base/write_behind.h"

/* Offsets, lengths and addresses of direct writes are multiples of this, the largest logical block
 * size of disks. */
#define ALIGN ((size_t)4096)
/* Smaller writes are cheaper through the cache, where the kernel joins them. */
#define DIRECT_MIN ((size_t)64 << 10)
/* Writes are joined up to this size. It is the most that a request to a disk can have as a rule. */
#define STAGE_SIZE ((size_t)4 << 20)

struct bulk_writer {
    int fd; /* borrowed */
    int flags;
    bool refused;   /* O_DIRECT does not work here */
    bool direct;    /* set on the descriptor now */
    uint8_t *stage; /* owned, in large pages */
    uint64_t start; /* where the staged bytes go */
    size_t staged;
    struct write_behind behind;
};

struct bulk_writer *bulk_writer_new(int fd, struct err *err)
{
    CLEANUP(bulk_writer_freep) struct bulk_writer *writer = mem_alloc(sizeof(*writer));

    writer->fd = fd;
    writer->flags = fcntl(fd, F_GETFL);
    writer->refused = writer->flags < 0;
    writer->stage = large_pages_new(STAGE_SIZE);
    if (!writer->stage) {
        err_set_errno(err, errno, "cannot get memory for writing");
        return NULL;
    }
    return TAKE_PTR(writer);
}

/* Some file systems refuse the flag, others refuse the first write. */
static bool set_direct(struct bulk_writer *writer, bool direct)
{
    if (writer->direct == direct)
        return true;
    if (fcntl(writer->fd, F_SETFL, direct ? writer->flags | O_DIRECT : writer->flags) < 0)
        return false;
    writer->direct = direct;
    return true;
}

static int write_cached(struct bulk_writer *writer, const uint8_t *data, size_t len,
                        uint64_t offset, struct err *err)
{
    if (len == 0)
        return 0;
    if (!set_direct(writer, false))
        return err_set_errno(err, errno, "cannot write through the page cache");
    if (io_pwrite(writer->fd, data, len, offset, err) < 0)
        return -1;
    return write_behind_add(&writer->behind, writer->fd, offset, len, err);
}

/* Everything must be aligned. If O_DIRECT is refused, fewer bytes are written and no error is
 * set. */
static int write_direct(struct bulk_writer *writer, const uint8_t *data, size_t len,
                        uint64_t offset, size_t *ret_done, struct err *err)
{
    size_t done = 0;

    if (writer->refused || !set_direct(writer, true))
        writer->refused = true;
    while (done < len && !writer->refused) {
        ssize_t n = pwrite(writer->fd, data + done, len - done, (off_t)(offset + done));
        if (n >= 0)
            done += (size_t)n;
        else if (errno == EINVAL) /* also after a part that left the rest unaligned */
            writer->refused = true;
        else if (errno != EINTR)
            return err_set_errno(err, errno, "cannot write at byte %" PRIu64, offset + done);
    }
    *ret_done = done;
    return 0;
}

/* Writes the aligned middle directly if it is large enough, the ends through the cache. */
static int write_at(struct bulk_writer *writer, const uint8_t *data, size_t len, uint64_t offset,
                    struct err *err)
{
    size_t head = (ALIGN - offset % ALIGN) % ALIGN;
    size_t middle = len > head ? (len - head) / ALIGN * ALIGN : 0;
    size_t done = 0;

    if (middle < DIRECT_MIN || (uintptr_t)(data + head) % ALIGN != 0)
        return write_cached(writer, data, len, offset, err);
    if (write_cached(writer, data, head, offset, err) < 0 ||
        write_direct(writer, data + head, middle, offset + head, &done, err) < 0)
        return -1;
    done += head;
    return write_cached(writer, data + done, len - done, offset + done, err);
}

static int write_staged(struct bulk_writer *writer, struct err *err)
{
    size_t len = writer->staged;

    writer->staged = 0;
    /* The stage starts at the byte that gives the rest the same alignment as in the file. */
    return write_at(writer, writer->stage + writer->start % ALIGN, len, writer->start, err);
}

/* Takes as much as there is room for. */
static size_t stage_data(struct bulk_writer *writer, const uint8_t *data, size_t len,
                         uint64_t offset)
{
    if (writer->staged == 0)
        writer->start = offset;
    size_t at = (size_t)(writer->start % ALIGN) + writer->staged;
    size_t room = STAGE_SIZE - at;
    size_t part = len < room ? len : room;
    memcpy(writer->stage + at, data, part);
    writer->staged += part;
    return part;
}

static bool stage_is_full(const struct bulk_writer *writer)
{
    return writer->start % ALIGN + writer->staged == STAGE_SIZE;
}

/* True if nothing is gained by a copy: the caller's memory is in large pages, too, or will be
 * copied by the kernel. */
static bool is_good_as_it_is(const struct bulk_writer *writer, const uint8_t *data, size_t len,
                             uint64_t offset)
{
    if (len < DIRECT_MIN)
        return false;
    return writer->refused || (offset % ALIGN == 0 && large_pages_begin_at(data));
}

int bulk_writer_write(struct bulk_writer *writer, const void *data, size_t len, uint64_t offset,
                      struct err *err)
{
    const uint8_t *bytes = data;

    if (writer->staged > 0 && writer->start + writer->staged != offset &&
        write_staged(writer, err) < 0)
        return -1;
    while (len > 0) {
        size_t part = 0;
        if (is_good_as_it_is(writer, bytes, len, offset)) {
            part = writer->refused ? len : len / ALIGN * ALIGN;
            if ((writer->staged > 0 && write_staged(writer, err) < 0) ||
                write_at(writer, bytes, part, offset, err) < 0)
                return -1;
        } else {
            part = stage_data(writer, bytes, len, offset);
            if (stage_is_full(writer) && write_staged(writer, err) < 0)
                return -1;
        }
        bytes += part;
        offset += part;
        len -= part;
    }
    return 0;
}

int bulk_writer_flush(struct bulk_writer *writer, struct err *err)
{
    if (write_staged(writer, err) < 0)
        return -1;
    if (!set_direct(writer, false))
        return err_set_errno(err, errno, "cannot write through the page cache");
    return 0;
}

void bulk_writer_free(struct bulk_writer *writer)
{
    if (!writer)
        return;
    (void)set_direct(writer, false);
    large_pages_free(writer->stage, STAGE_SIZE);
    free(writer);
}
