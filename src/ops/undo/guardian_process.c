/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/undo/guardian_process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "base/fds.h"
#include "base/io.h"
#include "base/log.h"
#include "base/out.h"
#include "base/pass.h"
#include "base/quit.h"
#include "disk/meeting.h"
#include "ops/undo/guest_lock.h"
#include "ops/undo/intent.h"
#include "ops/undo/state_dir.h"
#include "ops/undo/undo.h"

#define DEATH_POLL_MS 2
#define GUARDIAN_TRIES 3
#define UNDO_PAUSE_MS 1000

struct guarding {
    const struct guardian_settings *settings;
    pid_t run;
    int sock;
    unsigned stopped;        /* consecutive looks at which the run was stopped */
    bool let_go;             /* its guest, since it last dropped all */
    struct disk_hold *holds; /* copies of what the run has open on its guest's disks */
    size_t hold_count;
};

static int guarding_open_state(const struct guarding *guarding, int *ret_fd, struct err *err)
{
    const char *folder = guarding->settings->state_folder;

    return folder ? io_open_dir(folder, ret_fd, err) : state_dir_open(ret_fd, err);
}

/* ---- a run that has died -------------------------------------------------------------- */

/* The cause may be temporary, and the guest needs us now. Only when all tries have failed is that
 * noted: with the note set, a guest that somebody else has started would count as put back. */
static int undo_one(const struct guarding *guarding, int state, const char *uuid, const char *name)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_FREE char *note = NULL;
    unsigned pause_ms = guarding->settings->undo_pause_ms;

    for (unsigned i = 1; i <= GUARDIAN_TRIES; i++) {
        enum undo_result result =
            undo_recorded(state, uuid, guarding->settings->calls, &note, &err);
        if (result == UNDO_DONE && note)
            log_warn_guest(name, "%s", note);
        if (result == UNDO_DONE || result == UNDO_NOTHING)
            return 0;
        if (!intent_exists(state, uuid))
            break; /* there is nothing left to try again */
        if (i < GUARDIAN_TRIES)
            poll(NULL, 0, pause_ms ? (int)pause_ms : UNDO_PAUSE_MS);
    }
    log_warn_guest(name, "%s", err.text);
    undo_note_trouble(state, uuid, err.text);
    return -1;
}

/* Undoes what the run left behind. Messages go where the run's messages went. */
static int undo_after(const struct guarding *guarding)
{
    CLEANUP_CLOSE int state = -1;
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_STRINGS struct strings uuids = {0};
    int status = 0;

    if (guarding_open_state(guarding, &state, &err) < 0 || intent_list(state, &uuids, &err) < 0) {
        log_warn("%s", err.text);
        return 1;
    }
    for (size_t i = 0; i < uuids.count; i++) {
        CLEANUP_INTENT struct intent intent = {0};
        if (intent_read(state, uuids.items[i], &intent, NULL) < 0 ||
            (pid_t)intent.pid != guarding->run || intent_owner_lives(&intent))
            continue;
        log_warn_guest(intent.name, "its %s was killed; putting the guest back",
                       intent.kind == INTENT_RESTORE ? "restore" : "backup");
        if (undo_one(guarding, state, uuids.items[i], intent.name) < 0)
            status = 1;
    }
    /* A run makes files there even before its first intent: its lock, and names on trial. */
    if (guarding->settings->archive)
        undo_tidy_archive(guarding->settings->archive);
    guest_lock_sweep(state);
    meeting_sweep();
    return status;
}

/* ---- what the run has open ------------------------------------------------------------- */

static void holds_add(struct guarding *guarding, enum disk_hold_kind kind, int fd)
{
    guarding->holds =
        mem_resize(guarding->holds, guarding->hold_count + 1, sizeof(*guarding->holds));
    guarding->holds[guarding->hold_count++] = (struct disk_hold){kind, fd};
}

static void holds_close(struct guarding *guarding)
{
    while (guarding->hold_count)
        close(guarding->holds[--guarding->hold_count].fd);
}

static void holds_end(struct guarding *guarding)
{
    for (size_t i = 0; i < guarding->hold_count; i++)
        disk_hold_end(&guarding->holds[i]);
    holds_close(guarding);
}

/* The run gets one copy of a connection, and the other one stays here. */
static int serve_connect(struct guarding *guarding, const struct guardian_request *request,
                         struct guardian_answer *answer)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    int socket = -1;

    if (disk_export_connect(request->path, &socket, &err) == 0) {
        holds_add(guarding, DISK_HOLD_CONNECTION, socket);
        return socket;
    }
    answer->kind = err.kind;
    answer->errnum = err.errnum;
    (void)snprintf(answer->text, sizeof(answer->text), "%s", err.text);
    return -1;
}

/* A run that went on in the meantime must not get at a guest that was let go. False: the answer
 * could not be sent, and the run would wait for it. */
static bool serve_request(struct guarding *guarding, struct guardian_request *request, int fd)
{
    struct guardian_answer answer = {.number = request->number};
    CLEANUP_CLOSE int held = fd;
    int connected = -1;

    request->path[sizeof(request->path) - 1] = '\0';
    if (request->verb == GUARDIAN_DROP) {
        holds_close(guarding);
        guarding->let_go = false;
    } else if (guarding->let_go) {
        answer.kind = ERR_CANCELLED;
        (void)snprintf(answer.text, sizeof(answer.text), "the guest was let go in the meantime");
    } else if (request->verb == GUARDIAN_CONNECT) {
        connected = serve_connect(guarding, request, &answer);
    } else if (held >= 0) {
        holds_add(guarding, request->kind, TAKE_FD(held));
    }
    return pass_send(guarding->sock, &answer, sizeof(answer), &connected, 1) == 0;
}

/* ---- a run that is stopped --------------------------------------------------------------- */

/* Only if the guest cannot be let go even so is the run ended: it may have something open that we do
 * not know of yet. */
static void let_go_of_one(struct guarding *guarding, int state, const char *uuid)
{
    CLEANUP_INTENT struct intent intent = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_CLOSE int taken = -1;

    if (intent_read(state, uuid, &intent, NULL) < 0 || (pid_t)intent.pid != guarding->run ||
        !intent_holds_guest(&intent) || intent.taken_over ||
        intent_take_over(state, uuid, &taken, NULL) < 0)
        return;
    guarding->let_go = true;
    out_hold();
    log_warn_guest(intent.name,
                   "its backup is stopped (pid %ld); letting the guest go and abandoning "
                   "the backup",
                   (long)guarding->run);
    holds_end(guarding);
    if (undo_taken(state, uuid, guarding->settings->calls, &err) < 0) {
        log_warn_guest(intent.name, "%s; killing the stopped run", err.text);
        kill(guarding->run, SIGKILL);
    }
    out_release();
}

/* A stopped run would hold its guest until it is continued. It also holds the guest's lock, so it
 * is told through the journal: see intent_take_over. */
static void let_go_of_stopped(struct guarding *guarding)
{
    CLEANUP_CLOSE int state = -1;
    CLEANUP_STRINGS struct strings uuids = {0};

    if (guarding_open_state(guarding, &state, NULL) < 0 || intent_list(state, &uuids, NULL) < 0)
        return;
    for (size_t i = 0; i < uuids.count; i++)
        let_go_of_one(guarding, state, uuids.items[i]);
}

static void look_for_stop(struct guarding *guarding)
{
    guarding->stopped = intent_process_is_stopped(guarding->run) ? guarding->stopped + 1 : 0;
    if (guarding->stopped >= GUARDIAN_LOOKS)
        let_go_of_stopped(guarding);
}

/* ---- the process ---------------------------------------------------------------------------- */

/* True: the run says that all is well. If its socket closes before that, it is dead; if it gets no
 * answer, it goes on without us, once our side of the socket is closed. */
static bool guarding_serve(struct guarding *guarding)
{
    unsigned look_ms = guarding->settings->look_ms;

    for (;;) {
        struct pollfd pollfd = {.fd = guarding->sock, .events = POLLIN};
        struct guardian_request request;
        int fd = -1;
        int ready = poll(&pollfd, 1, look_ms ? (int)look_ms : GUARDIAN_LOOK_MS);
        if (ready == 0)
            look_for_stop(guarding);
        if (ready == 0 || (ready < 0 && errno == EINTR))
            continue;
        ssize_t len = pass_receive(guarding->sock, &request, sizeof(request), &fd, 1);
        if (len != (ssize_t)sizeof(request))
            return false;
        if (request.verb == GUARDIAN_DONE)
            return true;
        if (!serve_request(guarding, &request, fd))
            return false;
    }
}

void guardian_process_run(const struct guardian_settings *settings, int sock, pid_t run)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGTSTP};
    struct guarding guarding = {.settings = settings, .run = run, .sock = sock};

    setsid();
    quit_forget();
    prctl(PR_SET_NAME, "vb-guardian");
    for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
        signal(ignored[i], SIG_IGN);
    /* Keep none of the run's files open: a folder's lock is one of them. */
    const int fds[] = {-1, -1, -1, sock};
    bool placed = fds_place(fds, 4) == 0;
    if (placed) {
        guarding.sock = 3;
        fds_close_from(4);
    }
    if (guarding_serve(&guarding))
        _exit(0);
    holds_close(&guarding);
    /* If fds_place failed, the run must not wait for us. */
    close(guarding.sock);
    /* A dying process closes its files some time before it is gone. */
    while (getppid() == run)
        poll(NULL, 0, DEATH_POLL_MS);
    /* A stopped reader of our output must not keep a guest down, so messages are held back. */
    out_hold();
    int status = undo_after(&guarding);
    out_release();
    _exit(status);
}
