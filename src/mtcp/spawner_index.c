/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtcp/spawner_index.h"

#include <sys/prctl.h>
#include <unistd.h>

#include "base/io.h"
#include "base/sandbox.h"
#include "base/units.h"
#include "mtcp/spawner_child.h"

/* Entries that are sent at once. */
#define BATCH ((size_t)1024)

/* ---- the process that reads --------------------------------------------------- */

#define INDEX_SLACK (64 * MIB)
/* A block takes at least this much of a file, and of its index at least two bytes. */
#define BLOCK_MIN 8
/* An entry in our index and one in liblzma's, with the cost of growing both. */
#define BLOCK_MEMORY 64

static uint64_t reader_memory(const struct spawner_index *what)
{
    uint64_t blocks = what->size / BLOCK_MIN;

    if (blocks > CONTAINER_MAX_BLOCKS)
        blocks = CONTAINER_MAX_BLOCKS;
    return blocks * BLOCK_MEMORY + INDEX_SLACK;
}

static int confine_reader(const struct spawner_index *what, pid_t parent)
{
    const struct sandbox_plan plan = {
        .write_fds = SANDBOX_FD(SPAWNER_APART_SOCK),
        .pread_fds = SANDBOX_FD(SPAWNER_APART_FILE),
        .memory = reader_memory(what),
        .cpu_s = SPAWNER_APART_CPU_S,
        .parent = parent,
    };

    return what->unconfined ? 0 : sandbox_enter(&plan, NULL);
}

static int send_index(const struct container_index *index)
{
    const struct spawner_apart_head head = {.kind = ERR_NONE, .count = index->count};
    struct spawner_index_entry entries[BATCH];

    if (io_write(SPAWNER_APART_SOCK, &head, sizeof(head), NULL) < 0)
        return -1;
    for (size_t done = 0; done < index->count;) {
        size_t count = index->count - done < BATCH ? index->count - done : BATCH;
        for (size_t i = 0; i < count; i++) {
            const struct container_block *block = &index->blocks[done + i];
            entries[i] =
                (struct spawner_index_entry){block->offset, block->stored_len, block->raw_len};
        }
        if (io_write(SPAWNER_APART_SOCK, entries, count * sizeof(*entries), NULL) < 0)
            return -1;
        done += count;
    }
    return 0;
}

void spawner_index_run(const struct spawner_index *what, int sock, int file_fd, pid_t parent)
{
    CLEANUP_CONTAINER_INDEX struct container_index index = {0};
    CLEANUP_ERR struct err failed = ERR_INIT;

    spawner_child_die_with(parent);
    prctl(PR_SET_NAME, "vb-index");
    if (spawner_apart_place(sock, file_fd) < 0 || confine_reader(what, parent) < 0)
        _exit(EXIT_FAILURE);
    int status =
        container_read(what->type, SPAWNER_APART_FILE, what->start, what->size, &index, &failed);
    status = status < 0 ? spawner_apart_send_error(&failed) : send_index(&index);
    _exit(status < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* ---- the control process ------------------------------------------------------ */

static int take_index_entry(const struct spawner_index *what,
                            const struct spawner_index_entry *entry, struct container_index *index,
                            struct err *err)
{
    const struct container_block *last = index->count ? &index->blocks[index->count - 1] : NULL;
    uint64_t first = last ? last->offset + last->stored_len : 0;
    uint64_t end = 0;

    if (entry->offset < first || !units_add(entry->offset, entry->stored_len, &end) ||
        end > what->size)
        return err_set(err, ERR_CORRUPT, "its index places block %zu outside of the file",
                       index->count);
    return container_index_append(index, entry->offset, entry->stored_len, entry->raw_len, err);
}

int spawner_index_take(const struct spawner_index *what, pid_t pid, int sock,
                       struct container_index *index, struct err *err)
{
    struct stall stall = stall_begin(pid);
    struct spawner_index_entry entries[BATCH];
    struct spawner_apart_head head;

    if (spawner_apart_receive(sock, &stall, &head, sizeof(head), err) < 0)
        return -1;
    if (head.kind != ERR_NONE)
        return spawner_apart_take_error(&head, err);
    if (head.count > what->size)
        return err_set(err, ERR_CORRUPT, "its index lists more blocks than the file has bytes");
    if (container_index_reserve(index, head.count, err) < 0)
        return -1;
    while (index->count < head.count) {
        size_t left = (size_t)head.count - index->count;
        size_t count = left < BATCH ? left : BATCH;
        if (spawner_apart_receive(sock, &stall, entries, count * sizeof(*entries), err) < 0)
            return -1;
        for (size_t i = 0; i < count; i++)
            if (take_index_entry(what, &entries[i], index, err) < 0)
                return -1;
    }
    return 0;
}

int spawner_read_index(struct spawner *spawner, const struct spawner_index *what, int fd,
                       struct container_index *ret, struct err *err)
{
    const struct spawner_request request = {.kind = SPAWNER_INDEX, .index = *what};
    CLEANUP_CONTAINER_INDEX struct container_index index = {0};
    struct spawner_apart apart;

    if (spawner_apart_start(spawner, &request, fd, &apart, err) < 0)
        return -1;
    int status = spawner_index_take(what, apart.pid, apart.sock, &index, err);
    if (spawner_apart_end(spawner, &apart, status, err) < 0)
        return -1;
    *ret = index;
    index = (struct container_index){0};
    return 0;
}
