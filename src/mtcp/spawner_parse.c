/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtcp/spawner_parse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/json.h"
#include "base/sandbox.h"
#include "base/units.h"
#include "mtcp/spawner_child.h"
#include "mtcp/spawner_process.h"

/* ---- the process that parses -------------------------------------------------------- */

/* For what the parser needs beside the bytes that it gets and those that it makes. */
#define SLACK (256 * MIB)
#define PIECE MIB

static int confine_parser(const struct spawner_parse *what, pid_t parent)
{
    const struct sandbox_plan plan = {
        .write_fds = SANDBOX_FD(SPAWNER_INDEX_PIPE),
        .pread_fds = SANDBOX_FD(SPAWNER_INDEX_FILE),
        .memory = what->size + what->max + SLACK,
        .cpu_s = SPAWNER_INDEX_CPU_S,
        .parent = parent,
    };

    json_free(json_new_object()); /* draws a random number at its first use */
    tzset();                      /* timegm, at its first, opens a file */
    return what->unconfined ? 0 : sandbox_enter(&plan, NULL);
}

static int parse_and_send(const struct spawner_parse *what)
{
    struct spawner_index_head head = {.kind = ERR_NONE};
    CLEANUP_FREE uint8_t *data = malloc((size_t)what->size + 1);
    CLEANUP_ERR struct err failed = ERR_INIT;
    CLEANUP_BUF struct buf made = {0};

    if (!data)
        (void)err_set_errno(&failed, ENOMEM, "cannot get %" PRIu64 " bytes of memory", what->size);
    if (!data || io_pread(SPAWNER_INDEX_FILE, data, (size_t)what->size, 0, &failed) < 0 ||
        what->parser(data, (size_t)what->size, &made, &failed) < 0)
        return spawner_index_send_error(&failed);
    head.count = made.len;
    return io_write(SPAWNER_INDEX_PIPE, &head, sizeof(head), NULL) < 0
               ? -1
               : io_write(SPAWNER_INDEX_PIPE, made.data, made.len, NULL);
}

void spawner_parse_run(const struct spawner_parse *what, int pipe_fd, int file_fd, pid_t parent)
{
    spawner_child_die_with(parent);
    prctl(PR_SET_NAME, "vb-parser");
    if (spawner_index_place(pipe_fd, file_fd) < 0 || confine_parser(what, parent) < 0)
        _exit(EXIT_FAILURE);
    _exit(parse_and_send(what) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* ---- the control process ------------------------------------------------------------ */

int spawner_parse_take(const struct spawner_parse *what, pid_t pid, int fd, struct buf *ret,
                       struct err *err)
{
    struct stall stall = stall_begin(pid);
    struct spawner_index_head head;

    if (spawner_index_receive(fd, &stall, &head, sizeof(head), err) < 0)
        return -1;
    if (head.kind == ERR_UNSUPPORTED) {
        head.text[sizeof(head.text) - 1] = '\0';
        return err_set(err, ERR_UNSUPPORTED, "%s", head.text);
    }
    if (head.kind != ERR_NONE)
        return spawner_index_take_error(&head, err);
    if (head.count > what->max)
        return err_set(err, ERR_CORRUPT, "has more than %" PRIu64 " bytes when it is unpacked",
                       what->max);
    ret->data = malloc((size_t)head.count + 1);
    if (!ret->data)
        return err_set_errno(err, ENOMEM, "cannot get %" PRIu64 " bytes of memory", head.count);
    ret->cap = (size_t)head.count + 1;
    while (ret->len < head.count) {
        size_t left = (size_t)head.count - ret->len;
        size_t len = left < PIECE ? left : PIECE;
        if (spawner_index_receive(fd, &stall, ret->data + ret->len, len, err) < 0)
            return -1;
        ret->len += len;
    }
    return 0;
}

/* A file that the process can read and nobody else has. */
static int put_into_memory(const void *data, size_t len, int *ret_fd, struct err *err)
{
    CLEANUP_CLOSE int fd = memfd_create("vb-parse", MFD_CLOEXEC);

    if (fd < 0)
        return err_set_errno(err, errno, "cannot create a file in memory");
    if (io_pwrite(fd, data, len, 0, err) < 0)
        return -1;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int spawner_parse_apart(struct spawner *spawner, const struct spawner_parse *what, const void *data,
                        struct buf *ret, struct err *err)
{
    const struct spawner_request request = {.kind = SPAWNER_PARSE, .parse = *what};
    CLEANUP_FREE char *why = NULL;
    CLEANUP_CLOSE int file_fd = -1;
    CLEANUP_BUF struct buf made = {0};
    struct spawner_reply reply;

    if (put_into_memory(data, (size_t)what->size, &file_fd, err) < 0 ||
        spawner_ask(spawner, &request, file_fd, &reply, err) < 0)
        return -1;
    CLEANUP_CLOSE int pipe_fd = reply.fds[0];
    if (pipe_fd < 0) {
        spawner_wait(spawner, reply.answer.pid, 0, NULL, NULL);
        return err_set_errno(err, EMFILE, "cannot take over the pipe of a child process");
    }
    int status = spawner_parse_take(what, reply.answer.pid, pipe_fd, &made, err);
    close(TAKE_FD(pipe_fd)); /* ends one that goes on writing */
    (void)spawner_wait(spawner, reply.answer.pid, SPAWNER_INDEX_GRACE_MS, &why, NULL);
    if (status < 0)
        return err && err->kind == ERR_IO && err->errnum != ETIMEDOUT && why
                   ? err_append(err, "%s", why)
                   : -1;
    *ret = made;
    made = (struct buf){0};
    return 0;
}
