/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtcp/worker.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "codec/chunk_digest.h"
#include "mtcp/shared.h"

static int place_areas(struct worker *worker, const struct child_settings *settings,
                       struct err *err)
{
    uint8_t *base = worker->child.shared;

    shared_layout(settings, &worker->layout);
    if (settings->foreign) {
        if (!worker->own)
            worker->own = malloc(worker->layout.total_size);
        base = worker->own;
    }
    if (!base || (!settings->foreign && worker->child.shared_size < worker->layout.total_size))
        return err_set_errno(err, ENOMEM, "cannot get the memory for a child process's chunks");
    for (unsigned i = 0; i < SHARED_AREAS; i++)
        worker->areas[i].at = shared_area(&worker->layout, base, i);
    return 0;
}

int worker_start(struct worker *worker, struct spawner *spawner,
                 const struct child_settings *settings, struct err *err)
{
    uint8_t *own = worker->own;

    *worker = (struct worker){.own = own, .child.sock = -1, .foreign = settings->foreign};
    if (spawner_fork(spawner, settings, &worker->child, err) < 0) {
        if (err && err->kind != ERR_CANCELLED && err->kind != ERR_USAGE)
            err->kind = ERR_TRANSIENT; /* whatever keeps it from starting, the data does not */
        return -1;
    }
    worker->pid = (uint32_t)worker->child.pid;
    worker->pid_known = !settings->foreign;
    worker->stall = stall_begin(worker->child.pid);
    if (place_areas(worker, settings, err) < 0) {
        worker_end(worker, spawner, 0, NULL, NULL);
        return -1;
    }
    return 0;
}

int worker_end(struct worker *worker, struct spawner *spawner, unsigned grace_ms,
               struct spawner_end *ret, struct err *err)
{
    pid_t pid = worker->child.pid;

    spawner_close_child(&worker->child);
    memset(worker->areas, 0, sizeof(worker->areas));
    return spawner_wait(spawner, pid, grace_ms, ret, err);
}

bool worker_is_stalled(struct worker *worker)
{
    if (worker->foreign || worker->state == WORKER_IDLE) {
        stall_note(&worker->stall);
        return false;
    }
    return stall_look(&worker->stall);
}

uint64_t worker_cpu_ns(struct worker *worker)
{
    struct timespec time;
    clockid_t clock;

    if (clock_getcpuclockid(worker->child.pid, &clock) != 0 || clock_gettime(clock, &time) < 0)
        return 0;
    uint64_t total = (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
    uint64_t since = total - worker->cpu_ns;
    worker->cpu_ns = total;
    return since;
}

void worker_free(struct worker *worker)
{
    spawner_close_child(&worker->child);
    free(TAKE_PTR(worker->own));
}

/* ---- sending --------------------------------------------------------------- */

static void send_to_child(struct worker *worker, char command, const uint8_t *data, size_t len)
{
    struct message message = {
        .pid = worker->pid, .command = command, .id = worker->id, .size = (uint32_t)len};

    assert(worker->out_done == worker->out_len);
    worker->out_head_len = message_encode(&message, worker->out_head);
    worker->out_data = data;
    worker->out_len = worker->out_head_len + (data ? len : 0);
    worker->out_done = 0;
    worker_flush(worker);
}

/* What is left of head and data; returns the number of pieces. */
static size_t gather_unsent(struct worker *worker, struct iovec iov[static 2])
{
    size_t count = 0, data_done = 0;

    if (worker->out_done < worker->out_head_len)
        iov[count++] = (struct iovec){worker->out_head + worker->out_done,
                                      worker->out_head_len - worker->out_done};
    else
        data_done = worker->out_done - worker->out_head_len;
    if (worker->out_data)
        iov[count++] = (struct iovec){(uint8_t *)(uintptr_t)worker->out_data + data_done,
                                      worker->out_len - worker->out_head_len - data_done};
    return count;
}

void worker_flush(struct worker *worker)
{
    while (worker->out_done < worker->out_len) {
        struct iovec iov[2];
        struct msghdr message = {.msg_iov = iov, .msg_iovlen = gather_unsent(worker, iov)};
        ssize_t sent = sendmsg(worker->child.sock, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN) {
            /* The child never got the whole message: its end will be noticed, and it is replaced. */
            worker->out_done = worker->out_len;
            shutdown(worker->child.sock, SHUT_RDWR);
        }
        if (sent < 0)
            return;
        worker->out_done += (size_t)sent;
    }
}

struct worker_area *worker_free_area(struct worker *worker)
{
    struct worker_area *area = &worker->areas[worker->next];

    return worker->child.sock >= 0 && !area->taken ? area : NULL;
}

struct worker_area *worker_last_area(struct worker *worker)
{
    return &worker->areas[(worker->next + SHARED_AREAS - 1) % SHARED_AREAS];
}

bool worker_can_take(const struct worker *worker)
{
    return worker->child.sock >= 0 && worker->state == WORKER_IDLE &&
           worker->out_done == worker->out_len;
}

void worker_give(struct worker *worker, uint64_t id, size_t len)
{
    struct worker_area *area = &worker->areas[worker->next];

    assert(worker_can_take(worker) && len > 0 && len <= worker->layout.input_size);
    worker->state = WORKER_BUSY;
    worker->id = id;
    area->blocks_len = 0;
    worker->next = (worker->next + 1) % SHARED_AREAS;
    send_to_child(worker, worker->foreign ? 'C' : 'M', worker->foreign ? area->at.input : NULL,
                  len);
}

void worker_quit(struct worker *worker)
{
    if (worker->out_done == worker->out_len && worker->pid_known)
        send_to_child(worker, 'Q', NULL, 0);
    shutdown(worker->child.sock, SHUT_WR);
}

int worker_noted_blocks(struct worker *worker, uint32_t raw_len, const uint8_t **ret,
                        struct err *err)
{
    const struct worker_area *area = worker_last_area(worker);
    size_t expected = chunk_digest_blocks_size(raw_len);

    assert(expected <= worker->layout.blocks_size);
    if (worker->foreign && area->blocks_len > 0 && area->blocks_len != expected)
        return err_set(err, ERR_CORRUPT, "sent the digests of %zu blocks, where the chunk has %zu",
                       area->blocks_len / DIGEST_SIZE, expected / DIGEST_SIZE);
    *ret = worker->foreign && area->blocks_len == 0 ? NULL : area->at.blocks;
    return 0;
}

/* ---- receiving ------------------------------------------------------------- */

short worker_poll_events(const struct worker *worker)
{
    return worker->out_done < worker->out_len ? POLLIN | POLLOUT : POLLIN;
}

/* Returns how many bytes were read: 0, with *ret_event set, if nothing can be read now. */
static size_t receive_from_child(struct worker *worker, void *data, size_t len,
                                 enum worker_event *ret_event)
{
    ssize_t got;

    do {
        got = recv(worker->child.sock, data, len, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got > 0)
        return (size_t)got;
    *ret_event = got < 0 && errno == EAGAIN ? WORKER_NOTHING : WORKER_HUNG_UP;
    return 0;
}

static int check_idle(struct worker *worker, struct err *err)
{
    if (worker->state != WORKER_RESTING)
        return err_set(err, ERR_IO, "sent I although it has a chunk");
    return 0;
}

/* Sent once before the result, by a foreign child, if they are wanted. */
static int check_blocks(struct worker *worker, struct err *err)
{
    size_t most = worker->layout.blocks_size;

    if (!worker->foreign || most == 0)
        return err_set(err, ERR_IO, "sent B, which was not asked for");
    if (worker_last_area(worker)->blocks_len > 0)
        return err_set(err, ERR_IO, "sent B twice");
    if (worker->in.size == 0 || worker->in.size > most || worker->in.size % DIGEST_SIZE != 0)
        return err_set(err, ERR_IO,
                       "sent %u bytes as digests of blocks, where 1 to %zu digests of %d are "
                       "possible",
                       worker->in.size, most / DIGEST_SIZE, DIGEST_SIZE);
    return 0;
}

/* Checks that the child may send this message now. */
static int check_message(struct worker *worker, struct err *err)
{
    const struct message *in = &worker->in;
    enum worker_state expected = WORKER_FETCHING;

    if (!worker->pid_known && in->command == 'I') {
        worker->pid = in->pid;
        worker->pid_known = true;
    }
    if (!worker->pid_known || in->pid != worker->pid)
        return err_set(err, ERR_IO, "sent a message as process %u", in->pid);
    if (in->command == 'I')
        return check_idle(worker, err);
    if (in->command == 'D' || in->command == 'E')
        expected = WORKER_BUSY;
    if (worker->state != expected || in->id != worker->id)
        return err_set(err, ERR_IO, "sent %c for chunk %" PRIu64 " out of turn", in->command,
                       in->id);
    if (in->command == 'D' && worker->out_done < worker->out_len)
        return err_set(err, ERR_IO, "sent D before it had read the chunk");
    if (in->command == 'B')
        return check_blocks(worker, err);
    if (expected == WORKER_FETCHING && in->command != (worker->foreign ? 'C' : 'M'))
        return err_set(err, ERR_IO, "answered with %c", in->command);
    if (expected == WORKER_FETCHING && (in->size == 0 || in->size > worker->layout.output_size))
        return err_set(err, ERR_IO, "sent a result of %u bytes, where at most %zu are possible",
                       in->size, worker->layout.output_size);
    return 0;
}

/* Text from a child: make it one line without control characters. */
static void clean_error_text(char *text, size_t len)
{
    text[len] = '\0';
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = ' ';
    }
}

static enum worker_event finish_message(struct worker *worker)
{
    worker->in_head_len = 0;
    worker->in_whole = false;
    switch (worker->in.command) {
    case 'I':
        worker->state = WORKER_IDLE;
        return WORKER_SAID_IDLE;
    case 'D':
        worker->state = WORKER_FETCHING;
        send_to_child(worker, 'F', NULL, 0);
        return WORKER_SAID_DONE;
    case 'B':
        worker_last_area(worker)->blocks_len = worker->in.size;
        return WORKER_SAID_BLOCKS;
    case 'E':
        worker->state = WORKER_RESTING;
        clean_error_text(worker->text, worker->in.size);
        return WORKER_SAID_ERROR;
    default:
        worker->state = WORKER_RESTING;
        worker_last_area(worker)->len = worker->in.size;
        return WORKER_SAID_RESULT;
    }
}

/* Reads on in the head; *ret_event is set if there was not enough. */
static int receive_child_head(struct worker *worker, enum worker_event *ret_event, struct err *err)
{
    int missing;

    while ((missing = message_decode(worker->in_head, worker->in_head_len, MESSAGE_TO_CONTROL,
                                     &worker->in, err)) > 0) {
        size_t got = receive_from_child(worker, worker->in_head + worker->in_head_len,
                                        (size_t)missing, ret_event);
        if (got == 0)
            return 0;
        worker->in_head_len += got;
    }
    if (missing < 0 || check_message(worker, err) < 0)
        return -1;
    worker->in_whole = true;
    worker->in_done = 0;
    return 0;
}

int worker_receive(struct worker *worker, enum worker_event *ret, struct err *err)
{
    if (!worker->in_whole) {
        if (receive_child_head(worker, ret, err) < 0)
            return -1;
        if (!worker->in_whole)
            return 0;
    }
    char command = worker->in.command;
    size_t len = command == 'I' || command == 'D' || command == 'M' ? 0 : worker->in.size;
    uint8_t *data = command == 'E'   ? (uint8_t *)worker->text
                    : command == 'B' ? worker_last_area(worker)->at.blocks
                                     : worker_last_area(worker)->at.output;
    while (worker->in_done < len) {
        size_t got = receive_from_child(worker, data + worker->in_done, len - worker->in_done, ret);
        if (got == 0)
            return 0;
        worker->in_done += got;
    }
    *ret = finish_message(worker);
    return 0;
}
