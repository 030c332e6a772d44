/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/bounded.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "base/quit.h"
#include "base/thread.h"
#include "base/units.h"

#define BOUNDED_LOOK_MS 100
#define FDS_FOLDER "/proc/self/fd"
/* Connections are few; an entry whose socket is gone is used again. */
#define MOST_SOCKETS 32
/* Storage that works is faster than that. */
#define SLOWEST_PER_S (UINT64_C(4) << 20)

#define MINUTE_MS (UINT64_C(60) * 1000)

const struct bounded_times bounded_usual = {10 * MINUTE_MS, MINUTE_MS / 2, 5000};
const struct bounded_times bounded_slow = {10 * MINUTE_MS, MINUTE_MS, 5000};
const struct bounded_times bounded_brief = {10000, 10000, 5000};

struct bounded_times bounded_reading(uint64_t bytes)
{
    return (struct bounded_times){
        .limit_ms = bounded_slow.limit_ms + bytes / SLOWEST_PER_S * 1000,
        .insisted_ms = bounded_slow.insisted_ms,
    };
}

struct bounded_times bounded_file(const char *path)
{
    struct stat st;

    return bounded_reading(stat(path, &st) == 0 ? (uint64_t)st.st_size : 0);
}

/* ---- the scopes ----------------------------------------------------------------------------- */

static struct {
    pthread_mutex_t lock; /* guards everything below, and the fields of all scopes */
    struct bounded *first;
    pthread_cond_t news; /* a first scope, or the end */
    bool asleep;         /* the thread waits for news without a limit */
    bool stop;
    struct {
        int fd;
        uint64_t inode; /* 0: unused */
    } sockets[MOST_SOCKETS];
} watcher = {.lock = PTHREAD_MUTEX_INITIALIZER, .news = PTHREAD_COND_INITIALIZER};

/* Connections are opened by one thread and closed by another: a call that was abandoned closes its
 * own. So the watcher starts and ends under a lock, which the watcher itself never takes: whoever
 * opens the next connection waits until the last watcher has ended. */
static struct {
    pthread_mutex_t lock;
    unsigned count;
    pthread_t thread;
} bounded_use = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The scopes of this thread, the innermost first. */
static _Thread_local struct bounded *innermost;

void bounded_begin(struct bounded *bounded, const struct bounded_times *times)
{
    *bounded = (struct bounded){
        .outer = innermost,
        .times = *times,
        .begin_ms = units_now_ms(),
        .undoing = quit_requested() || quit_is_deferred(),
    };
    innermost = bounded;
    pthread_mutex_lock(&watcher.lock);
    bounded->next = watcher.first;
    bounded->link = &watcher.first;
    if (bounded->next)
        bounded->next->link = &bounded->next;
    watcher.first = bounded;
    if (watcher.asleep)
        pthread_cond_signal(&watcher.news);
    pthread_mutex_unlock(&watcher.lock);
}

void bounded_end(struct bounded *bounded)
{
    innermost = bounded->outer;
    pthread_mutex_lock(&watcher.lock);
    *bounded->link = bounded->next;
    if (bounded->next)
        bounded->next->link = bounded->link;
    pthread_mutex_unlock(&watcher.lock);
}

enum bounded_reason bounded_ended(uint64_t *ret_after_ms)
{
    enum bounded_reason reason = BOUNDED_GOES_ON;

    pthread_mutex_lock(&watcher.lock);
    for (const struct bounded *b = innermost; b && reason == BOUNDED_GOES_ON; b = b->outer) {
        reason = b->reason;
        *ret_after_ms = b->times.limit_ms;
    }
    pthread_mutex_unlock(&watcher.lock);
    return reason;
}

/* ---- the sockets ------------------------------------------------------------------------------ */

static uint64_t socket_inode(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) ? st.st_ino : 0;
}

/* The next descriptor of this process that is a socket, or -1. */
static int next_socket(DIR *folder, uint64_t *ret_inode)
{
    const struct dirent *entry;

    while ((entry = readdir(folder))) {
        char *end;
        int fd = (int)strtol(entry->d_name, &end, 10);
        *ret_inode = end != entry->d_name && *end == '\0' ? socket_inode(fd) : 0;
        if (*ret_inode)
            return fd;
    }
    return -1;
}

struct bounded_sockets bounded_before_open(void)
{
    DIR *folder = opendir(FDS_FOLDER);
    struct bounded_sockets before = {.known = folder != NULL};
    uint64_t inode;

    while (folder && next_socket(folder, &inode) >= 0) {
        before.inodes = mem_resize(before.inodes, before.count + 1, sizeof(*before.inodes));
        before.inodes[before.count++] = inode;
    }
    if (folder)
        closedir(folder);
    return before;
}

static bool was_there(const struct bounded_sockets *before, uint64_t inode)
{
    for (size_t i = 0; i < before->count; i++)
        if (before->inodes[i] == inode)
            return true;
    return false;
}

static void add_socket(int fd, uint64_t inode)
{
    for (size_t i = 0; i < MOST_SOCKETS; i++)
        if (!watcher.sockets[i].inode ||
            socket_inode(watcher.sockets[i].fd) != watcher.sockets[i].inode) {
            watcher.sockets[i].fd = fd;
            watcher.sockets[i].inode = inode;
            return;
        }
}

void bounded_after_open(struct bounded_sockets *before)
{
    DIR *folder = before->known ? opendir(FDS_FOLDER) : NULL;
    uint64_t inode;
    int fd;

    pthread_mutex_lock(&watcher.lock);
    while (folder && (fd = next_socket(folder, &inode)) >= 0)
        if (!was_there(before, inode))
            add_socket(fd, inode);
    pthread_mutex_unlock(&watcher.lock);
    if (folder)
        closedir(folder);
    free(before->inodes);
    *before = (struct bounded_sockets){0};
}

/* The numbers stay valid: libvirt does not close a socket in which a call waits. */
static void shut_down_sockets(void)
{
    for (size_t i = 0; i < MOST_SOCKETS; i++)
        if (watcher.sockets[i].inode &&
            socket_inode(watcher.sockets[i].fd) == watcher.sockets[i].inode)
            (void)shutdown(watcher.sockets[i].fd, SHUT_RDWR);
}

/* ---- watching --------------------------------------------------------------------------------- */

static bool has_passed(uint64_t from_ms, uint64_t limit_ms, uint64_t now_ms)
{
    return from_ms && limit_ms && now_ms - from_ms >= limit_ms;
}

static enum bounded_reason look_at_call(struct bounded *bounded, uint64_t now_ms)
{
    const struct bounded_times *times = &bounded->times;

    if (!bounded->signal_ms && !bounded->undoing && quit_requested())
        bounded->signal_ms = now_ms;
    if (!bounded->insisted_ms && quit_insisted())
        bounded->insisted_ms = now_ms;
    if (has_passed(bounded->signal_ms, times->signal_ms, now_ms) ||
        has_passed(bounded->insisted_ms, times->insisted_ms, now_ms))
        return BOUNDED_SIGNAL;
    return has_passed(bounded->begin_ms, times->limit_ms, now_ms) ? BOUNDED_LIMIT : BOUNDED_GOES_ON;
}

/* Once more at each look, in case a scope whose calls were ended goes on with a new connection. */
static void look_at_all(uint64_t now_ms)
{
    bool over = false;

    for (struct bounded *b = watcher.first; b; b = b->next) {
        if (b->reason == BOUNDED_GOES_ON)
            b->reason = look_at_call(b, now_ms);
        over = over || b->reason != BOUNDED_GOES_ON;
    }
    if (over)
        shut_down_sockets();
}

static void wait_for_calls(void)
{
    struct timespec until;

    if (watcher.asleep) {
        pthread_cond_wait(&watcher.news, &watcher.lock);
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += BOUNDED_LOOK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    (void)pthread_cond_clockwait(&watcher.news, &watcher.lock, CLOCK_MONOTONIC, &until);
}

/* Without a scope it sleeps; with one it looks in slices, so that the begin of most scopes costs
 * nothing. */
static void *watch_scopes(void *opaque)
{
    (void)opaque;
    pthread_mutex_lock(&watcher.lock);
    while (!watcher.stop) {
        watcher.asleep = !watcher.first;
        wait_for_calls();
        watcher.asleep = false;
        look_at_all(units_now_ms());
    }
    pthread_mutex_unlock(&watcher.lock);
    return NULL;
}

int bounded_start(struct err *err)
{
    int result = 0;

    pthread_mutex_lock(&bounded_use.lock);
    if (bounded_use.count == 0) {
        watcher.stop = false; /* no thread looks at it */
        result = thread_start(&bounded_use.thread, watch_scopes, NULL,
                              "the limits of calls to libvirt", err);
    }
    if (result == 0)
        bounded_use.count++;
    pthread_mutex_unlock(&bounded_use.lock);
    return result;
}

void bounded_stop(void)
{
    pthread_mutex_lock(&bounded_use.lock);
    if (--bounded_use.count == 0) {
        pthread_mutex_lock(&watcher.lock);
        watcher.stop = true;
        pthread_cond_signal(&watcher.news);
        pthread_mutex_unlock(&watcher.lock);
        pthread_join(bounded_use.thread, NULL);
    }
    pthread_mutex_unlock(&bounded_use.lock);
}
