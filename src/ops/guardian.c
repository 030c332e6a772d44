/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/fds.h"
#include "base/launch.h"
#include "base/io.h"
#include "base/log.h"
#include "base/out.h"
#include "base/quit.h"
#include "disk/meeting.h"
#include "ops/intent.h"
#include "ops/guest_lock.h"
#include "ops/state_dir.h"
#include "ops/undo.h"

#define DEATH_POLL_MS 2
#define UNDO_TRIES 3
#define UNDO_PAUSE_MS 1000
#define END_WAIT_MS 3000
#define STOP_LOOK_MS 1000
#define STOP_LOOKS 4

struct guardian {
    pid_t pid;
    int sock; /* when it closes, the guardian knows that we are gone */
};

/* The cause may be temporary, and the guest needs us now. Only when all tries have failed is that
 * noted: with the note set, a guest that somebody else has started would count as put back. */
static int undo_one(int state, const char *uuid, const char *name)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_FREE char *note = NULL;

    for (unsigned i = 1; i <= UNDO_TRIES; i++) {
        enum undo_result result = undo_recorded(state, uuid, &undo_calls_libvirt, &note, &err);
        if (result == UNDO_DONE && note)
            log_warn("guest '%s': %s", name, note);
        if (result == UNDO_DONE || result == UNDO_NOTHING)
            return 0;
        if (!intent_exists(state, uuid))
            break; /* there is nothing left to try again */
        if (i < UNDO_TRIES)
            poll(NULL, 0, UNDO_PAUSE_MS);
    }
    log_warn("guest '%s': %s", name, err.text);
    undo_note_trouble(state, uuid, err.text);
    return -1;
}

/* Undoes what process `run` left behind. Messages go where the run's messages went. */
static int undo_after(pid_t run, const char *archive)
{
    CLEANUP_CLOSE int state = -1;
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_STRINGS struct strings uuids = {0};
    int status = 0;

    if (state_dir_open(&state, &err) < 0 || intent_list(state, &uuids, &err) < 0) {
        log_warn("%s", err.text);
        return 1;
    }
    for (size_t i = 0; i < uuids.count; i++) {
        CLEANUP_INTENT struct intent intent = {0};
        if (intent_read(state, uuids.items[i], &intent, NULL) < 0 || (pid_t)intent.pid != run ||
            intent_owner_lives(&intent))
            continue;
        log_warn("guest '%s': its %s was killed; putting the guest back", intent.name,
                 intent.kind == INTENT_RESTORE ? "restore" : "backup");
        if (undo_one(state, uuids.items[i], intent.name) < 0)
            status = 1;
    }
    /* A run makes files there even before its first intent: its lock, and names on trial. */
    if (archive)
        undo_tidy_archive(archive);
    guest_lock_sweep(state);
    meeting_sweep();
    return status;
}

/* A stopped run would hold its guest until it is continued. It also holds the guest's lock, so it
 * is told through the journal: see intent_take_over. If the guest cannot be let go because of what
 * the run has open, the run is killed: QEMU hangs if a backup job ends while one of its clients
 * does not close, and does not start with a disk image that somebody else has locked. */
static void let_go_of_stopped(pid_t run)
{
    CLEANUP_CLOSE int state = -1;
    CLEANUP_STRINGS struct strings uuids = {0};

    if (state_dir_open(&state, NULL) < 0 || intent_list(state, &uuids, NULL) < 0)
        return;
    for (size_t i = 0; i < uuids.count; i++) {
        CLEANUP_INTENT struct intent intent = {0};
        CLEANUP_ERR struct err err = ERR_INIT;
        CLEANUP_CLOSE int taken = -1;
        if (intent_read(state, uuids.items[i], &intent, NULL) < 0 || (pid_t)intent.pid != run ||
            !intent_holds_guest(&intent) || intent.taken_over ||
            intent_take_over(state, uuids.items[i], &taken, NULL) < 0)
            continue;
        out_hold();
        log_warn("guest '%s': its backup is stopped (pid %ld); letting the guest go and abandoning "
                 "the backup",
                 intent.name, (long)run);
        if (intent.socket) {
            log_warn("guest '%s': killing the stopped run, because it has the guest's disks open",
                     intent.name);
            kill(run, SIGKILL);
        } else if (undo_taken(state, uuids.items[i], &undo_calls_libvirt, &err) < 0) {
            log_warn("guest '%s': %s; killing the stopped run", intent.name, err.text);
            kill(run, SIGKILL);
        }
        out_release();
    }
}

/* One byte on the socket means that all is well (true); if it closes without one, the run is
 * dead. */
static bool wait_for_end(int sock, pid_t run)
{
    unsigned stopped = 0; /* consecutive looks */
    char done = 0;
    size_t len = 0;

    for (;;) {
        struct pollfd pollfd = {.fd = sock, .events = POLLIN};
        int ready = poll(&pollfd, 1, STOP_LOOK_MS);
        if (ready != 0 && !(ready < 0 && errno == EINTR))
            return io_read_some(sock, &done, 1, &len, NULL) == 0 && len == 1;
        stopped = intent_process_is_stopped(run) ? stopped + 1 : 0;
        if (stopped >= STOP_LOOKS)
            let_go_of_stopped(run);
    }
}

static void __attribute__((noreturn)) guard(int sock, pid_t run, const char *archive)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGTSTP};

    setsid();
    quit_forget();
    prctl(PR_SET_NAME, "vb-guardian");
    for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
        signal(ignored[i], SIG_IGN);
    /* Keep none of the run's files open: a folder's lock is one of them. */
    const int fds[] = {-1, -1, -1, sock};
    bool placed = fds_place(fds, 4) == 0;
    if (placed) {
        sock = 3;
        fds_close_from(4);
    }
    if (wait_for_end(sock, run))
        _exit(0);
    /* If fds_place failed, the run must not wait for us. */
    close(sock);
    /* A dying process closes its files some time before it is gone. */
    while (getppid() == run)
        poll(NULL, 0, DEATH_POLL_MS);
    /* A stopped reader of our output must not keep a guest down, so messages are held back. */
    out_hold();
    int status = undo_after(run, archive);
    out_release();
    _exit(status);
}

int guardian_start(const char *archive, struct guardian **ret, struct err *err)
{
    int ends[2];
    pid_t run = getpid();

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return err_set_errno(err, errno, "cannot create a socket pair");
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        guard(ends[1], run, archive);
    }
    int failed = errno;
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return err_set_errno(err, failed, "cannot fork the guardian");
    }
    *ret = mem_alloc(sizeof(**ret));
    **ret = (struct guardian){pid, ends[0]};
    return 0;
}

void guardian_free(struct guardian *guardian)
{
    if (!guardian)
        return;
    /* If it did not get the byte, it would wait for us to end, as we do for it. */
    if (send(guardian->sock, "d", 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
        kill(guardian->pid, SIGKILL);
    close(guardian->sock);
    /* It has nothing left to do: even if somebody has stopped it, it is ended. */
    launch_end(guardian->pid, END_WAIT_MS);
    free(guardian);
}
