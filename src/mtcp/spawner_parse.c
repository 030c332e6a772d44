/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtcp/spawner_parse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/json.h"
#include "base/sandbox.h"
#include "base/units.h"
#include "base/xml.h"
#include "mtcp/spawner_child.h"

#define PIECE MIB
#define AT_ONCE ((size_t)64 * KIB)

/* ---- the process that parses -------------------------------------------------------- */

/* In the spawner, so that each does not have to. */
void spawner_parse_warm_up(void)
{
    json_free(json_new_object()); /* draws a random number at its first use */
    xml_free(xml_parse("<a/>", 4, NULL));
    tzset(); /* timegm, at its first, opens a file */
}

static int confine_parser(const struct spawner_parse_limits *limits, pid_t parent)
{
    const struct sandbox_plan plan = {
        .read_fds = SANDBOX_FD(SPAWNER_APART_SOCK),
        .write_fds = SANDBOX_FD(SPAWNER_APART_SOCK),
        .memory = limits->memory,
        .cpu_s = SPAWNER_APART_CPU_S,
        .parent = parent,
    };

    return limits->unconfined ? 0 : sandbox_enter(&plan, NULL);
}

/* Exactly len bytes. */
static int read_request(void *data, size_t len)
{
    size_t got = 0;

    return io_read_some(SPAWNER_APART_SOCK, data, len, &got, NULL) < 0 || got < len ? -1 : 0;
}

/* Data for which there is no memory. The control process sends all of it before it looks at the
 * answer. */
static int skip_request(uint64_t len)
{
    static uint8_t room[4096];

    for (size_t step; len > 0; len -= step) {
        step = len < sizeof(room) ? (size_t)len : sizeof(room);
        if (read_request(room, step) < 0)
            return -1;
    }
    return 0;
}

/* What is small is sent at once: the other end is woken up once, then. */
static int send_parsed(const struct spawner_apart_head *head, const struct buf *made)
{
    CLEANUP_BUF struct buf first = {0};
    size_t len = made->len < AT_ONCE ? made->len : 0;

    buf_append(&first, head, sizeof(*head));
    if (len > 0)
        buf_append(&first, made->data, len);
    if (io_write(SPAWNER_APART_SOCK, first.data, first.len, NULL) < 0)
        return -1;
    return made->len > len ? io_write(SPAWNER_APART_SOCK, made->data, made->len, NULL) : 0;
}

static int parse_and_send(const struct spawner_parse *what)
{
    struct spawner_apart_head head = {.kind = ERR_NONE};
    CLEANUP_FREE uint8_t *data = malloc((size_t)what->size + 1);
    CLEANUP_ERR struct err failed = ERR_INIT;
    CLEANUP_BUF struct buf made = {0};

    if (!data)
        (void)err_set_errno(&failed, ENOMEM, "cannot get %" PRIu64 " bytes of memory", what->size);
    if ((data ? read_request(data, (size_t)what->size) : skip_request(what->size)) < 0)
        return -1;
    if (!data || what->parser(data, (size_t)what->size, &made, &failed) < 0)
        return spawner_apart_send_error(&failed);
    head.count = made.len;
    return send_parsed(&head, &made);
}

void spawner_parse_run(const struct spawner_parse_limits *limits, int sock, pid_t parent)
{
    struct spawner_parse what;
    size_t got = 0;

    spawner_child_die_with(parent);
    prctl(PR_SET_NAME, "vb-parser");
    if (spawner_apart_place(sock, -1) < 0 || confine_parser(limits, parent) < 0)
        _exit(EXIT_FAILURE);
    for (;;) {
        if (io_read_some(SPAWNER_APART_SOCK, &what, sizeof(what), &got, NULL) < 0)
            _exit(EXIT_FAILURE);
        if (got == 0)
            _exit(EXIT_SUCCESS);
        if (got < sizeof(what) || parse_and_send(&what) < 0)
            _exit(EXIT_FAILURE);
    }
}

/* ---- the control process: one answer ------------------------------------------------ */

int spawner_parse_take(const struct spawner_parse *what, pid_t pid, int sock, struct buf *ret,
                       struct err *err)
{
    struct stall stall = stall_begin(pid);
    struct spawner_apart_head head;

    if (spawner_apart_receive(sock, &stall, &head, sizeof(head), err) < 0)
        return -1;
    if (head.kind == ERR_UNSUPPORTED) {
        head.text[sizeof(head.text) - 1] = '\0';
        return err_set(err, ERR_UNSUPPORTED, "%s", head.text);
    }
    if (head.kind != ERR_NONE)
        return spawner_apart_take_error(&head, err);
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
        if (spawner_apart_receive(sock, &stall, ret->data + ret->len, len, err) < 0)
            return -1;
        ret->len += len;
    }
    return 0;
}

/* ---- the control process: the process that is kept ---------------------------------- */

/* For what the parser needs beside the bytes that it gets and those that it makes. */
#define PARSE_SLACK (256 * MIB)

/* A power of two, so that not each that is a little larger takes another process. */
static uint64_t parser_memory(const struct spawner_parse *what)
{
    uint64_t memory = PARSE_SLACK;

    while (memory < what->size + what->max + PARSE_SLACK)
        memory *= 2;
    return memory;
}

void spawner_parse_begin(struct spawner_parse_kept *kept)
{
    *kept = (struct spawner_parse_kept){.process.sock = -1};
}

void spawner_parse_clear(struct spawner_parse_kept *kept)
{
    if (kept->process.sock >= 0)
        close(TAKE_FD(kept->process.sock));
}

/* It waits for a request, and has said nothing since its last answer. */
static bool is_quiet(const struct spawner_parse_kept *kept)
{
    char byte;

    return recv(kept->process.sock, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static bool can_serve(const struct spawner_parse_kept *kept, const struct spawner_parse *what)
{
    return kept->memory >= parser_memory(what) && kept->unconfined == what->unconfined &&
           kept->served < (what->alone ? 1 : SPAWNER_PARSE_SERVED) &&
           kept->bytes < SPAWNER_PARSE_BYTES && is_quiet(kept);
}

static int start_parser(struct spawner *spawner, struct spawner_parse_kept *kept,
                        const struct spawner_parse *what, struct err *err)
{
    const struct spawner_parse_limits limits = {parser_memory(what), what->unconfined};
    const struct spawner_request request = {.kind = SPAWNER_PARSE, .parse = limits};

    if (spawner_apart_start(spawner, &request, -1, &kept->process, err) < 0) {
        if (err)
            err->kind = ERR_TRANSIENT; /* whatever keeps it from starting, the data does not */
        return -1;
    }
    kept->memory = limits.memory;
    kept->unconfined = limits.unconfined;
    kept->served = kept->bytes = 0;
    return 0;
}

static int ask_parser(struct spawner_parse_kept *kept, const struct spawner_parse *what,
                      const void *data, struct buf *ret, struct err *err)
{
    struct stall stall = stall_begin(kept->process.pid);
    CLEANUP_BUF struct buf first = {0};
    int sock = kept->process.sock;
    bool small = what->size < AT_ONCE;

    kept->served++;
    buf_append(&first, what, sizeof(*what));
    if (small && what->size > 0)
        buf_append(&first, data, (size_t)what->size);
    if (spawner_apart_send(sock, &stall, first.data, first.len, err) < 0 ||
        (!small && spawner_apart_send(sock, &stall, data, (size_t)what->size, err) < 0) ||
        spawner_parse_take(what, kept->process.pid, sock, ret, err) < 0)
        return -1;
    kept->bytes += what->size + ret->len;
    return 0;
}

/* Whether another process may do better. */
static bool is_worth_another(const struct err *failed)
{
    return failed->kind != ERR_CANCELLED && failed->errnum != ETIMEDOUT;
}

int spawner_parse_apart(struct spawner *spawner, const struct spawner_parse *what, const void *data,
                        struct buf *ret, struct err *err)
{
    struct spawner_parse_kept *kept = spawner_kept_parser(spawner);

    for (;;) {
        CLEANUP_BUF struct buf made = {0};
        CLEANUP_ERR struct err failed = ERR_INIT;
        if (kept->process.sock >= 0 && !can_serve(kept, what))
            (void)spawner_apart_end(spawner, &kept->process, 0, NULL);
        if (kept->process.sock < 0 && start_parser(spawner, kept, what, err) < 0)
            return -1;
        bool fresh = kept->served == 0;
        if (ask_parser(kept, what, data, &made, &failed) == 0) {
            *ret = made;
            made = (struct buf){0};
            return 0;
        }
        (void)spawner_apart_end(spawner, &kept->process, -1, &failed);
        if (fresh || !is_worth_another(&failed))
            return err_move(err, &failed);
    }
}

static int run_apart(struct spawner *spawner, const struct parser_task *task, bool unconfined,
                     struct buf *ret, struct err *err)
{
    const struct spawner_parse what = {
        .parser = task->function,
        .size = task->len,
        .max = task->max,
        .alone = task->alone,
        .unconfined = unconfined,
    };

    return spawner_parse_apart(spawner, &what, task->data, ret, err);
}

static int run_confined(void *opaque, const struct parser_task *task, struct buf *ret,
                        struct err *err)
{
    return run_apart(opaque, task, false, ret, err);
}

static int run_unconfined(void *opaque, const struct parser_task *task, struct buf *ret,
                          struct err *err)
{
    return run_apart(opaque, task, true, ret, err);
}

struct parser spawner_parser(struct spawner *spawner, bool unconfined)
{
    return (struct parser){spawner, unconfined ? run_unconfined : run_confined};
}
