/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtcp/spawner_index.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fds.h"
#include "base/io.h"
#include "base/quit.h"
#include "base/sandbox.h"
#include "base/stall.h"
#include "base/units.h"
#include "mtcp/spawner_child.h"
#include "mtcp/spawner_process.h"

/* Entries that are sent at once. */
#define BATCH ((size_t)1024)

/* ---- the process that reads --------------------------------------------------- */

#define SLACK (64 * MIB)
/* A block takes at least this much of a file, and of its index at least two bytes. */
#define BLOCK_MIN 8
/* An entry in our index and one in liblzma's, with the cost of growing both. */
#define BLOCK_MEMORY 64

static uint64_t reader_memory(const struct spawner_index *what)
{
    uint64_t blocks = what->size / BLOCK_MIN;

    if (blocks > CONTAINER_MAX_BLOCKS)
        blocks = CONTAINER_MAX_BLOCKS;
    return blocks * BLOCK_MEMORY + SLACK;
}

static int confine_reader(const struct spawner_index *what, pid_t parent)
{
    const struct sandbox_plan plan = {
        .write_fds = SANDBOX_FD(SPAWNER_INDEX_PIPE),
        .pread_fds = SANDBOX_FD(SPAWNER_INDEX_FILE),
        .memory = reader_memory(what),
        .cpu_s = SPAWNER_INDEX_CPU_S,
        .parent = parent,
    };

    return what->unconfined ? 0 : sandbox_enter(&plan, NULL);
}

int spawner_index_place(int pipe_fd, int file_fd)
{
    const int fds[] = {-1, -1, -1, [SPAWNER_INDEX_PIPE] = pipe_fd, [SPAWNER_INDEX_FILE] = file_fd};

    if (fds_place(fds, SPAWNER_INDEX_FILE + 1) < 0)
        return -1;
    fds_close_from(SPAWNER_INDEX_FILE + 1);
    return 0;
}

static int send_index(const struct container_index *index)
{
    const struct spawner_index_head head = {.kind = ERR_NONE, .count = index->count};
    struct spawner_index_entry entries[BATCH];

    if (io_write(SPAWNER_INDEX_PIPE, &head, sizeof(head), NULL) < 0)
        return -1;
    for (size_t done = 0; done < index->count;) {
        size_t count = index->count - done < BATCH ? index->count - done : BATCH;
        for (size_t i = 0; i < count; i++) {
            const struct container_block *block = &index->blocks[done + i];
            entries[i] =
                (struct spawner_index_entry){block->offset, block->stored_len, block->raw_len};
        }
        if (io_write(SPAWNER_INDEX_PIPE, entries, count * sizeof(*entries), NULL) < 0)
            return -1;
        done += count;
    }
    return 0;
}

int spawner_index_send_error(const struct err *failed)
{
    struct spawner_index_head head = {.kind = failed->kind, .errnum = failed->errnum};

    snprintf(head.text, sizeof(head.text), "%s", failed->text);
    return io_write(SPAWNER_INDEX_PIPE, &head, sizeof(head), NULL);
}

void spawner_index_run(const struct spawner_index *what, int pipe_fd, int file_fd, pid_t parent)
{
    CLEANUP_CONTAINER_INDEX struct container_index index = {0};
    CLEANUP_ERR struct err failed = ERR_INIT;

    spawner_child_die_with(parent);
    prctl(PR_SET_NAME, "vb-index");
    if (spawner_index_place(pipe_fd, file_fd) < 0 || confine_reader(what, parent) < 0)
        _exit(EXIT_FAILURE);
    int status =
        container_read(what->type, SPAWNER_INDEX_FILE, what->start, what->size, &index, &failed);
    status = status < 0 ? spawner_index_send_error(&failed) : send_index(&index);
    _exit(status < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* ---- the control process ------------------------------------------------------ */

static int fail_stalled(struct err *err)
{
    err_set(err, ERR_IO,
            "the process that parses it made no progress for ten minutes; check its storage");
    if (err)
        err->errnum = ETIMEDOUT;
    return -1;
}

int spawner_index_receive(int fd, struct stall *stall, void *data, size_t len, struct err *err)
{
    struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = quit_fd(), .events = POLLIN}};
    size_t done = 0;

    while (done < len) {
        if (quit_check(err) < 0)
            return -1;
        int ready = poll(fds, 2, STALL_LOOK_MS);
        if (ready < 0 && errno != EINTR)
            return err_set_errno(err, errno, "cannot wait for the process that parses it");
        if (ready <= 0 || !fds[0].revents) {
            if (stall_look(stall))
                return fail_stalled(err);
            continue;
        }
        stall_note(stall);
        ssize_t n = read(fd, (uint8_t *)data + done, len - done);
        if (n < 0 && errno != EINTR)
            return err_set_errno(err, errno, "cannot read from the process that parses it");
        if (n == 0)
            return err_set(err, ERR_IO, "the process that parses it has ended");
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int spawner_index_take_error(struct spawner_index_head *head, struct err *err)
{
    head->text[sizeof(head->text) - 1] = '\0';
    if (head->kind == ERR_IO && head->errnum)
        return err_set(err, ERR_IO, "%s", head->text);
    return err_set(err, ERR_CORRUPT, "%s", head->text);
}

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

int spawner_index_take(const struct spawner_index *what, pid_t pid, int fd,
                       struct container_index *index, struct err *err)
{
    struct stall stall = stall_begin(pid);
    struct spawner_index_entry entries[BATCH];
    struct spawner_index_head head;

    if (spawner_index_receive(fd, &stall, &head, sizeof(head), err) < 0)
        return -1;
    if (head.kind != ERR_NONE)
        return spawner_index_take_error(&head, err);
    if (head.count > what->size)
        return err_set(err, ERR_CORRUPT, "its index lists more blocks than the file has bytes");
    if (container_index_reserve(index, head.count, err) < 0)
        return -1;
    while (index->count < head.count) {
        size_t left = (size_t)head.count - index->count;
        size_t count = left < BATCH ? left : BATCH;
        if (spawner_index_receive(fd, &stall, entries, count * sizeof(*entries), err) < 0)
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
    CLEANUP_FREE char *why = NULL;
    struct spawner_reply reply;

    if (spawner_ask(spawner, &request, fd, &reply, err) < 0)
        return -1;
    CLEANUP_CLOSE int pipe_fd = reply.fds[0];
    if (pipe_fd < 0) {
        spawner_wait(spawner, reply.answer.pid, 0, NULL, NULL);
        return err_set_errno(err, EMFILE, "cannot take over the pipe of a child process");
    }
    int status = spawner_index_take(what, reply.answer.pid, pipe_fd, &index, err);
    close(TAKE_FD(pipe_fd)); /* ends one that goes on writing */
    (void)spawner_wait(spawner, reply.answer.pid, SPAWNER_INDEX_GRACE_MS, &why, NULL);
    if (status < 0)
        return err && err->kind == ERR_IO && err->errnum != ETIMEDOUT && why
                   ? err_append(err, "%s", why)
                   : -1;
    *ret = index;
    index = (struct container_index){0};
    return 0;
}
