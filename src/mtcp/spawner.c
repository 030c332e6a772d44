/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtcp/spawner.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/launch.h"
#include "base/pass.h"
#include "base/units.h"
#include "mtcp/spawner_parse.h"

/* Forking a child, and waiting for one that is killed after its grace, take a moment. */
#define ANSWER_LIMIT_MS 60000
#define END_WAIT_MS 5000

struct spawner {
    pid_t pid;
    int sock; /* -1 once an exchange has failed: requests and answers are out of step then */
    struct spawner_parse_kept parser;
};

struct spawner_parse_kept *spawner_kept_parser(struct spawner *spawner)
{
    return &spawner->parser;
}

struct spawner *spawner_start(const char *child_command, struct err *err)
{
    CLEANUP(spawner_freep) struct spawner *spawner = mem_alloc(sizeof(*spawner));
    CLEANUP_CLOSE int theirs = -1;
    int pair[2];
    pid_t parent = getpid();

    spawner->sock = -1;
    spawner_parse_begin(&spawner->parser);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        err_set_errno(err, errno, "cannot create a socket for the spawner process");
        return NULL;
    }
    spawner->sock = pair[0];
    theirs = pair[1];
    spawner->pid = fork();
    if (spawner->pid < 0) {
        err_set_errno(err, errno, "cannot fork the spawner process");
        return NULL;
    }
    if (spawner->pid == 0)
        spawner_process_run(theirs, child_command, parent);
    return TAKE_PTR(spawner);
}

/* A spawner that somebody has stopped does not answer. */
static bool wait_for_answer(int sock)
{
    struct pollfd pollfd = {.fd = sock, .events = POLLIN};
    uint64_t deadline_ms = units_now_ms() + ANSWER_LIMIT_MS;
    uint64_t now_ms;

    while ((now_ms = units_now_ms()) < deadline_ms) {
        int ready = poll(&pollfd, 1, (int)(deadline_ms - now_ms));
        if (ready > 0)
            return true;
    }
    return false;
}

int spawner_ask(struct spawner *spawner, const struct spawner_request *request, int fd,
                struct spawner_reply *ret, struct err *err)
{
    struct spawner_answer *answer = &ret->answer;

    ret->fds[0] = ret->fds[1] = -1;
    bool sent = pass_send(spawner->sock, request, sizeof(*request), &fd, 1) == 0;
    bool answered = sent && wait_for_answer(spawner->sock);
    if (!answered || pass_receive(spawner->sock, answer, sizeof(*answer), ret->fds, 2) !=
                         (ssize_t)sizeof(*answer)) {
        if (spawner->sock >= 0)
            close(TAKE_FD(spawner->sock));
        return err_set(err, ERR_TRANSIENT, "the spawner process %s",
                       sent && !answered ? "does not answer" : "has ended");
    }
    if (answer->kind == ERR_NONE)
        return 0;
    answer->text[sizeof(answer->text) - 1] = '\0';
    err_set(err, answer->kind, "%s", answer->text);
    if (err)
        err->errnum = answer->errnum;
    return -1;
}

int spawner_prove_sandbox(struct spawner *spawner, struct err *err)
{
    struct spawner_request request = {.kind = SPAWNER_PROVE};
    struct spawner_reply reply;

    return spawner_ask(spawner, &request, -1, &reply, err);
}

int spawner_fork(struct spawner *spawner, const struct child_settings *settings, struct child *ret,
                 struct err *err)
{
    struct spawner_request request = {.kind = SPAWNER_FORK, .settings = *settings};
    struct spawner_reply reply;
    void *shared = NULL;

    int status = spawner_ask(spawner, &request, -1, &reply, err);
    const struct spawner_answer *answer = &reply.answer;
    CLEANUP_CLOSE int sock = reply.fds[0];
    CLEANUP_CLOSE int memory = reply.fds[1];
    if (status < 0)
        return -1;
    if (sock < 0 || (answer->shared_size > 0 && memory < 0)) {
        spawner_wait(spawner, answer->pid, 0, NULL, NULL);
        return err_set_errno(err, EMFILE, "cannot take over the socket of a child process");
    }
    if (answer->shared_size > 0) {
        shared = mmap(NULL, answer->shared_size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
        if (shared == MAP_FAILED) {
            err_set_errno(err, errno, "cannot map the buffer of a child process");
            spawner_wait(spawner, answer->pid, 0, NULL, NULL);
            return -1;
        }
    }
    *ret = (struct child){.pid = answer->pid,
                          .sock = TAKE_FD(sock),
                          .shared = shared,
                          .shared_size = answer->shared_size};
    return 0;
}

void spawner_end_clear(struct spawner_end *end)
{
    free(end->why);
    *end = (struct spawner_end){0};
}

int spawner_wait(struct spawner *spawner, pid_t pid, unsigned grace_ms, struct spawner_end *ret,
                 struct err *err)
{
    struct spawner_request request = {.kind = SPAWNER_WAIT, .pid = pid, .grace_ms = grace_ms};
    struct spawner_reply reply;

    if (spawner_ask(spawner, &request, -1, &reply, err) < 0)
        return -1;
    if (ret)
        *ret = (struct spawner_end){mem_strndup(reply.answer.text, sizeof(reply.answer.text) - 1),
                                    reply.answer.from_outside};
    return 0;
}

void spawner_close_child(struct child *child)
{
    if (child->sock >= 0)
        close(TAKE_FD(child->sock));
    if (child->shared)
        munmap(TAKE_PTR(child->shared), child->shared_size);
}

void spawner_free(struct spawner *spawner)
{
    if (!spawner)
        return;
    spawner_parse_clear(&spawner->parser);
    if (spawner->sock >= 0)
        close(spawner->sock);
    if (spawner->pid > 0)
        launch_end(spawner->pid, END_WAIT_MS);
    free(spawner);
}
