/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/undo/guardian.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/launch.h"
#include "base/log.h"
#include "base/pass.h"
#include "base/quit.h"
#include "base/units.h"
#include "ops/undo/guardian_process.h"
#include "ops/undo/intent.h"

#define END_WAIT_MS 3000
#define CONNECT_LIMIT_MS 30000
#define CONNECT_PAUSE_MS 50
/* Letting a guest go may take as long as restoring its memory. */
#define ANSWER_LIMIT_MS (UINT64_C(120) * 1000)
#define ANSWER_LOOK_MS 1000

struct guardian {
    pid_t pid;
    int sock; /* when it closes, the guardian knows that we are gone; -1: the guardian has ended */
    unsigned number; /* of the last request */
};

int guardian_start(const struct guardian_settings *settings, struct guardian **ret, struct err *err)
{
    int ends[2];
    pid_t run = getpid();

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return err_set_errno(err, errno, "cannot create a socket pair");
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        guardian_process_run(settings, ends[1], run);
    }
    int failed = errno;
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return err_set_errno(err, failed, "cannot fork the guardian");
    }
    *ret = mem_alloc(sizeof(**ret));
    **ret = (struct guardian){.pid = pid, .sock = ends[0]};
    return 0;
}

/* It is killed first if it may have something left to do. */
static void guardian_end(struct guardian *guardian, bool at_once)
{
    if (guardian->sock < 0)
        return;
    if (at_once)
        kill(guardian->pid, SIGKILL);
    close(TAKE_FD(guardian->sock));
    /* Even if somebody has stopped it, it is ended. */
    launch_end(guardian->pid, END_WAIT_MS);
}

void guardian_free(struct guardian *guardian)
{
    const struct guardian_request done = {.verb = GUARDIAN_DONE};

    if (!guardian)
        return;
    /* If it did not get the message, it would wait for us to end, as we do for it. */
    bool told = guardian->sock >= 0 && send(guardian->sock, &done, sizeof(done),
                                            MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(done);
    guardian_end(guardian, !told);
    free(guardian);
}

/* ---- requests ------------------------------------------------------------------------ */

/* What it has of ours ends with it, so nothing that is asked of it is done later. */
static void guardian_give_up(struct guardian *guardian, const char *why)
{
    log_detail("the guardian process %s; continuing without it", why);
    guardian_end(guardian, true);
}

static bool guardian_answers(struct guardian *guardian)
{
    struct pollfd pollfd = {.fd = guardian->sock, .events = POLLIN};
    uint64_t deadline_ms = units_now_ms() + ANSWER_LIMIT_MS;

    do {
        if (poll(&pollfd, 1, ANSWER_LOOK_MS) > 0)
            return true;
    } while (!intent_process_is_stopped(guardian->pid) && units_now_ms() < deadline_ms);
    return false;
}

/* False: there is no guardian any more. */
static bool guardian_ask(struct guardian *guardian, struct guardian_request *request, int fd,
                         struct guardian_answer *ret, int *ret_fd)
{
    ssize_t len;

    if (!guardian || guardian->sock < 0)
        return false;
    request->number = ++guardian->number;
    if (pass_send(guardian->sock, request, sizeof(*request), &fd, 1) < 0) {
        guardian_give_up(guardian, "has ended");
        return false;
    }
    do {
        if (!guardian_answers(guardian)) {
            guardian_give_up(guardian, "does not answer");
            return false;
        }
        len = pass_receive(guardian->sock, ret, sizeof(*ret), ret_fd, 1);
        if (len != (ssize_t)sizeof(*ret)) {
            guardian_give_up(guardian, "has ended");
            return false;
        }
    } while (ret->number != request->number);
    ret->text[sizeof(ret->text) - 1] = '\0';
    return true;
}

static int guardian_result(const struct guardian_answer *answer, struct err *err)
{
    if (answer->kind == ERR_NONE)
        return 0;
    err_set(err, answer->kind, "%s", answer->text);
    if (err)
        err->errnum = answer->errnum;
    return -1;
}

static int connect_once(struct guardian *guardian, const char *socket_path, int *ret_socket,
                        struct err *err)
{
    struct guardian_request request = {.verb = GUARDIAN_CONNECT};
    struct guardian_answer answer;

    if ((size_t)snprintf(request.path, sizeof(request.path), "%s", socket_path) >=
            sizeof(request.path) ||
        !guardian_ask(guardian, &request, -1, &answer, ret_socket))
        return disk_export_connect(socket_path, ret_socket, err);
    if (guardian_result(&answer, err) < 0)
        return -1;
    return *ret_socket < 0 ? err_set_errno(err, EMFILE, "cannot take over the NBD socket") : 0;
}

int guardian_connect(struct guardian *guardian, const char *socket_path, int *ret_socket,
                     struct err *err)
{
    uint64_t deadline_ms = units_now_ms() + CONNECT_LIMIT_MS;

    for (;;) {
        CLEANUP_ERR struct err connect_err = ERR_INIT;
        if (connect_once(guardian, socket_path, ret_socket, &connect_err) == 0)
            return 0;
        if (connect_err.kind != ERR_BUSY || units_now_ms() >= deadline_ms)
            return err_move(err, &connect_err);
        if (quit_check(err) < 0)
            return -1;
        poll(NULL, 0, CONNECT_PAUSE_MS);
    }
}

int guardian_hold(struct guardian *guardian, const struct disk_reader *reader, struct err *err)
{
    struct disk_hold hold;

    for (size_t n = 0; disk_reader_hold(reader, n, &hold); n++) {
        struct guardian_request request = {.verb = GUARDIAN_HOLD, .kind = hold.kind};
        struct guardian_answer answer;
        CLEANUP_CLOSE int none = -1;
        if (hold.fd >= 0 && guardian_ask(guardian, &request, hold.fd, &answer, &none) &&
            guardian_result(&answer, err) < 0)
            return -1;
    }
    return 0;
}

void guardian_drop(struct guardian *guardian)
{
    struct guardian_request request = {.verb = GUARDIAN_DROP};
    struct guardian_answer answer;
    CLEANUP_CLOSE int none = -1;

    (void)guardian_ask(guardian, &request, -1, &answer, &none);
}
