/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtcp/spawner_apart.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fds.h"
#include "base/io.h"
#include "base/quit.h"

/* They have nothing left to do after their last byte. */
#define END_GRACE_MS 2000

int spawner_apart_place(int sock, int file_fd)
{
    const int fds[] = {-1, -1, -1, [SPAWNER_APART_SOCK] = sock, [SPAWNER_APART_FILE] = file_fd};
    int count = file_fd < 0 ? SPAWNER_APART_FILE : SPAWNER_APART_FILE + 1;

    if (fds_place(fds, (size_t)count) < 0)
        return -1;
    fds_close_from(count);
    return 0;
}

int spawner_apart_send_error(const struct err *failed)
{
    struct spawner_apart_head head = {.kind = failed->kind, .errnum = failed->errnum};

    snprintf(head.text, sizeof(head.text), "%s", failed->text);
    return io_write(SPAWNER_APART_SOCK, &head, sizeof(head), NULL);
}

int spawner_apart_start(struct spawner *spawner, const struct spawner_request *request, int file_fd,
                        struct spawner_apart *ret, struct err *err)
{
    struct spawner_reply reply;

    if (spawner_ask(spawner, request, file_fd, &reply, err) < 0)
        return -1;
    *ret = (struct spawner_apart){.pid = reply.answer.pid, .sock = reply.fds[0]};
    if (ret->sock >= 0)
        return 0;
    (void)spawner_wait(spawner, ret->pid, 0, NULL, NULL);
    return err_set_errno(err, EMFILE, "cannot take over the socket of a child process");
}

int spawner_apart_end(struct spawner *spawner, struct spawner_apart *apart, int status,
                      struct err *err)
{
    CLEANUP_SPAWNER_END struct spawner_end end = {0};

    close(TAKE_FD(apart->sock)); /* ends one that waits, and one that goes on writing */
    (void)spawner_wait(spawner, apart->pid, END_GRACE_MS, &end, NULL);
    if (status == 0 || !err || err->kind != ERR_IO || err->errnum == ETIMEDOUT || !end.why)
        return status;
    if (end.from_outside)
        err->kind = ERR_TRANSIENT;
    return err_append(err, "%s", end.why);
}

static int fail_stalled(struct err *err)
{
    err_set(err, ERR_IO,
            "the process that parses it made no progress for ten minutes; check its storage");
    if (err)
        err->errnum = ETIMEDOUT;
    return -1;
}

/* 1: the socket is ready; 0: look again; -1 (err set): it never will be. */
static int wait_for_apart(int sock, short events, struct stall *stall, struct err *err)
{
    struct pollfd fds[] = {{.fd = sock, .events = events}, {.fd = quit_fd(), .events = POLLIN}};

    if (quit_check(err) < 0)
        return -1;
    int ready = poll(fds, 2, STALL_LOOK_MS);
    if (ready < 0 && errno != EINTR)
        return err_set_errno(err, errno, "cannot wait for the process that parses it");
    if (ready <= 0 || !fds[0].revents)
        return stall_look(stall) ? fail_stalled(err) : 0;
    stall_note(stall);
    return 1;
}

static int fail_apart(const char *what, struct err *err)
{
    if (errno == EPIPE || errno == ECONNRESET)
        return err_set(err, ERR_IO, "the process that parses it has ended");
    return err_set_errno(err, errno, "cannot %s the process that parses it", what);
}

int spawner_apart_send(int sock, struct stall *stall, const void *data, size_t len, struct err *err)
{
    size_t done = 0;

    while (done < len) {
        int ready = wait_for_apart(sock, POLLOUT, stall, err);
        if (ready < 0)
            return -1;
        ssize_t n = ready ? send(sock, (const uint8_t *)data + done, len - done,
                                 MSG_NOSIGNAL | MSG_DONTWAIT)
                          : 0;
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return fail_apart("write to", err);
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int spawner_apart_receive(int sock, struct stall *stall, void *data, size_t len, struct err *err)
{
    size_t done = 0;

    while (done < len) {
        int ready = wait_for_apart(sock, POLLIN, stall, err);
        if (ready < 0)
            return -1;
        if (!ready)
            continue;
        ssize_t n = read(sock, (uint8_t *)data + done, len - done);
        if (n < 0 && errno != EINTR)
            return fail_apart("read from", err);
        if (n == 0)
            return err_set(err, ERR_IO, "the process that parses it has ended");
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int spawner_apart_take_error(struct spawner_apart_head *head, struct err *err)
{
    head->text[sizeof(head->text) - 1] = '\0';
    /* Transient: its memory is limited, and what asks for more need not be good. */
    if ((head->kind == ERR_IO || head->kind == ERR_TRANSIENT) && head->errnum)
        return err_set(err, ERR_IO, "%s", head->text);
    return err_set(err, ERR_CORRUPT, "%s", head->text);
}
