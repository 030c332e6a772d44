/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/out.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/quit.h"
#include "base/units.h"

/* The most that is kept for a reader that does not read. */
#define KEPT_MAX ((size_t)4 << 20)
/* A writable pipe takes this much without blocking (PIPE_BUF). */
#define PIECE 4096
#define QUIT_PATIENCE_MS 2000

struct out_piece {
    struct out_piece *next;
    enum out_stream stream;
    size_t len;
    size_t done;
    char text[];
};

/* How to write to a stream without waiting. Its descriptor is shared with the process that started
 * us, and must not become non-blocking. */
enum out_way {
    OUT_PLAIN,  /* a file, which has no reader to wait for; or nothing is known */
    OUT_SOCKET, /* send can be told not to wait */
    OUT_REOPEN, /* a pipe or terminal: opened again as our own non-blocking descriptor */
    OUT_POLL,   /* cannot be opened again: polled before each write */
};

static const int out_fds[] = {[OUT_RESULTS] = STDOUT_FILENO, [OUT_MESSAGES] = STDERR_FILENO};

static struct {
    pthread_mutex_t mutex;
    unsigned holds;
    enum out_way ways[2]; /* while held */
    int own_fds[2];       /* for OUT_REOPEN; valid while held */
    struct out_piece *first;
    struct out_piece **end; /* NULL: &first */
    size_t kept;
    unsigned dropped;
    int failure;
    bool gave_up[2]; /* nobody read it when we were asked to stop */
} out = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* ---- one write ----------------------------------------------------------------- */

static bool out_is_writable(int fd, int timeout_ms)
{
    struct pollfd pollfd = {.fd = fd, .events = POLLOUT};

    return poll(&pollfd, 1, timeout_ms) > 0;
}

/* Waits until the stream accepts something. False: a signal asked us to stop, and it still does not
 * accept anything. */
static bool out_wait(enum out_stream stream)
{
    int fd = out_fds[stream];
    struct pollfd fds[] = {{.fd = fd, .events = POLLOUT},
                           {.fd = quit_signal_fd(), .events = POLLIN}};

    if (out.gave_up[stream])
        return false;
    int ready;
    do
        ready = poll(fds, 2, -1);
    while (ready < 0 && errno == EINTR);
    if (ready < 0)
        return true; /* a message that may block is better than none */
    out.gave_up[stream] = !fds[0].revents && !out_is_writable(fd, QUIT_PATIENCE_MS);
    return !out.gave_up[stream];
}

static ssize_t out_put_held(enum out_stream stream, const char *text, size_t len)
{
    int fd = out_fds[stream];

    switch (out.ways[stream]) {
    case OUT_SOCKET:
        return send(fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    case OUT_REOPEN:
        return write(out.own_fds[stream], text, len);
    case OUT_POLL:
        if (!out_is_writable(fd, 0)) {
            errno = EAGAIN;
            return -1;
        }
        break;
    case OUT_PLAIN:
        break;
    }
    return write(fd, text, len);
}

static ssize_t out_put(enum out_stream stream, const char *text, size_t len)
{
    int fd = out_fds[stream];

    if (len > PIECE)
        len = PIECE;
    if (out.holds)
        return out_put_held(stream, text, len);
    if (quit_signal_fd() >= 0 && !out_wait(stream)) {
        errno = ETIMEDOUT;
        return -1;
    }
    return write(fd, text, len);
}

/* Returns the bytes of text that are done with: written, or lost through an error. */
static size_t out_put_all(enum out_stream stream, const char *text, size_t len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = out_put(stream, text + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN && out.holds)
            return done;
        if (n < 0 && errno == EAGAIN) { /* somebody else made it non-blocking */
            if (out_wait(stream))
                continue;
            errno = ETIMEDOUT;
        }
        if (n < 0) {
            if (stream == OUT_RESULTS && !out.failure)
                out.failure = errno;
            return len;
        }
        done += (size_t)n;
    }
    return done;
}

/* ---- what is kept ---------------------------------------------------------------- */

static void out_keep(enum out_stream stream, const char *text, size_t len)
{
    struct out_piece *piece = NULL;

    if (len <= KEPT_MAX - out.kept)
        piece = malloc(sizeof(*piece) + len);
    if (!piece) {
        out.dropped++;
        return;
    }
    *piece = (struct out_piece){.stream = stream, .len = len};
    memcpy(piece->text, text, len);
    *(out.end ? out.end : &out.first) = piece;
    out.end = &piece->next;
    out.kept += len;
}

/* Writes kept pieces first, in order. True if none is left. */
static bool out_put_kept(void)
{
    struct out_piece *piece;

    while ((piece = out.first)) {
        piece->done +=
            out_put_all(piece->stream, piece->text + piece->done, piece->len - piece->done);
        if (piece->done < piece->len)
            return false;
        out.first = piece->next;
        if (!out.first)
            out.end = NULL;
        out.kept -= piece->len;
        free(piece);
    }
    return true;
}

static void out_put_or_keep(enum out_stream stream, const char *text)
{
    size_t len = strlen(text);
    size_t done = out_put_kept() ? out_put_all(stream, text, len) : 0;

    if (done < len)
        out_keep(stream, text + done, len - done);
}

void out_write(enum out_stream stream, const char *text)
{
    pthread_mutex_lock(&out.mutex);
    out_put_or_keep(stream, text);
    pthread_mutex_unlock(&out.mutex);
}

void out_offer(enum out_stream stream, const char *text)
{
    pthread_mutex_lock(&out.mutex);
    if (out.holds ? out_put_kept() : quit_signal_fd() < 0 || out_is_writable(out_fds[stream], 0)) {
        size_t len = strlen(text);
        size_t done = out_put_all(stream, text, len);
        if (done > 0 && done < len)
            out_keep(stream, text + done, len - done); /* half a line would confuse the reader */
    }
    pthread_mutex_unlock(&out.mutex);
}

/* ---- holding --------------------------------------------------------------------- */

static void out_open(enum out_stream stream)
{
    char path[32] = "/proc/self/fd/0";
    struct stat st;

    path[strlen(path) - 1] = (char)('0' + out_fds[stream]);
    out.ways[stream] = OUT_PLAIN;
    out.own_fds[stream] = -1;
    if (fstat(out_fds[stream], &st) < 0 || S_ISREG(st.st_mode))
        return;
    out.ways[stream] = S_ISSOCK(st.st_mode) ? OUT_SOCKET : OUT_POLL;
    if (!S_ISFIFO(st.st_mode) && !isatty(out_fds[stream]))
        return;
    out.own_fds[stream] = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (out.own_fds[stream] >= 0)
        out.ways[stream] = OUT_REOPEN;
}

void out_hold(void)
{
    pthread_mutex_lock(&out.mutex);
    if (out.holds == 0) {
        out_open(OUT_RESULTS);
        out_open(OUT_MESSAGES);
    }
    out.holds++;
    pthread_mutex_unlock(&out.mutex);
}

void out_release(void)
{
    pthread_mutex_lock(&out.mutex);
    if (--out.holds == 0) {
        for (int i = 0; i < 2; i++)
            if (out.own_fds[i] >= 0)
                close(out.own_fds[i]);
        (void)out_put_kept();
        if (out.dropped)
            out_put_or_keep(OUT_MESSAGES, "virt-backup: warning: nobody read this output for so "
                                          "long that some of it was lost\n");
        out.dropped = 0;
    }
    pthread_mutex_unlock(&out.mutex);
}

/* ---- the rest ---------------------------------------------------------------------- */

bool out_is_terminal(enum out_stream stream)
{
    return isatty(out_fds[stream]);
}

int out_failure(void)
{
    return out.failure;
}

void out_last_words(const char *text)
{
    if (quit_signal_fd() < 0 || out_is_writable(STDERR_FILENO, 0))
        (void)!write(STDERR_FILENO, text, strlen(text));
}
