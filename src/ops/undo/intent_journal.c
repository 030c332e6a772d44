/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/undo/intent_private.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include "base/dir.h"
#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "base/units.h"
#include "base/when.h"
#include "base/xml.h"

#define INTENT_SUFFIX ".intent"
/* A few definitions, and each snapshot of a guest holds one more. */
#define INTENT_MAX (XML_MAX_SIZE * 8)

/* ---- whose it is --------------------------------------------------------------------- */

/* /proc/PID/stat after the command's name, which may contain spaces and parentheses: the first
 * letter is the state. NULL if there is no such process; else the caller frees. */
static char *process_stat(pid_t pid)
{
    CLEANUP_FREE char *path = mem_printf("/proc/%ld/stat", (long)pid);
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[1024];
    size_t len = 0;

    if (fd < 0 || io_read_some(fd, text, sizeof(text) - 1, &len, NULL) < 0)
        return NULL;
    text[len] = '\0';
    const char *end = strrchr(text, ')');
    return end && end[1] == ' ' ? mem_strdup(end + 2) : NULL;
}

/* Field 22; 0 if there is no such process, or it is dead but not yet reaped by its parent (state
 * Z). */
static uint64_t start_time(pid_t pid)
{
    CLEANUP_FREE char *stat = process_stat(pid);
    const char *p = stat;

    if (!stat || *stat == 'Z' || *stat == 'X')
        return 0;
    for (int field = 3; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    return p ? strtoull(p + 1, NULL, 10) : 0;
}

/* Not if a debugger stopped it: that is t. */
bool intent_process_is_stopped(pid_t pid)
{
    CLEANUP_FREE char *stat = process_stat(pid);

    return stat && *stat == 'T';
}

void intent_sign(struct intent *intent, enum intent_kind kind)
{
    char when[WHEN_TEXT_SIZE];

    intent->kind = kind;
    intent->pid = (uint64_t)getpid();
    intent->pid_started = start_time((pid_t)intent->pid);
    free(intent->since);
    intent->since = mem_strdup(when_now(when));
}

bool intent_owner_lives(const struct intent *intent)
{
    uint64_t started = start_time((pid_t)intent->pid);

    return started != 0 && started == intent->pid_started;
}

/* ---- the file -------------------------------------------------------------------------- */

static char *file_name(const char *uuid)
{
    return mem_printf("%s%s", uuid, INTENT_SUFFIX);
}

int intent_write(int state_fd, struct intent *intent, struct err *err)
{
    CLEANUP_FREE char *name = file_name(intent->uuid);

    intent_note_places(intent);
    CLEANUP_FREE char *text = intent_format(intent);

    assert(*intent->uuid);         /* else intent_list would not find it */
    if (strlen(text) > INTENT_MAX) /* nobody could read it */
        return err_set(err, ERR_UNSUPPORTED,
                       "its journal would be larger than %zu MiB: the guest to be replaced has too "
                       "many snapshots or checkpoints",
                       INTENT_MAX >> 20);
    const struct io_file file = {name, text, strlen(text), .mode = 0600, .replace = true};
    if (io_publish(state_fd, &file, err) < 0)
        return err_prefix(err, "cannot write the journal to the state directory");
    return 0;
}

int intent_read(int state_fd, const char *uuid, struct intent *ret, struct err *err)
{
    CLEANUP_FREE char *name = file_name(uuid);
    CLEANUP_FREE char *text = NULL;
    size_t len = 0;

    if (io_read_file(state_fd, name, INTENT_MAX, &text, &len, err) < 0 ||
        intent_parse(text, len, ret, err) < 0)
        return err_prefix(err, "journal %s", name);
    return 0;
}

bool intent_exists(int state_fd, const char *uuid)
{
    CLEANUP_FREE char *name = file_name(uuid);

    return faccessat(state_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

int intent_remove(int state_fd, const char *uuid, struct err *err)
{
    CLEANUP_FREE char *name = file_name(uuid);
    CLEANUP_ERR struct err sync_err = ERR_INIT;

    if (unlinkat(state_fd, name, 0) < 0 && errno != ENOENT)
        return err_set_errno(err, errno, "cannot remove the journal %s", name);
    /* Nobody can see it any more, and what it described must no longer be undone. */
    if (io_sync_dir(state_fd, &sync_err) < 0)
        log_warn("the state directory: %s; if the host crashes now, check what virt-backup recover "
                 "undoes afterwards",
                 sync_err.text);
    return 0;
}

int intent_list(int state_fd, struct strings *uuids, struct err *err)
{
    CLEANUP_STRINGS struct strings names = {0};

    if (dir_list(state_fd, ".", &names, err) < 0)
        return err_prefix(err, "the state directory");
    for (size_t i = 0; i < names.count; i++) {
        const char *name = names.items[i];
        if (text_ends(name, INTENT_SUFFIX))
            strings_take(uuids, mem_strndup(name, strlen(name) - strlen(INTENT_SUFFIX)));
    }
    return 0;
}

/* ---- a run that is stopped ------------------------------------------------------------------- */

/* In a JSON string its quotes would be escaped, so this text can only be the member. Both values
 * have the same length. */
#define NOT_TAKEN "\"taken-over\":false"
#define TAKEN "\"taken-over\":true "

int intent_take_over(int state_fd, const char *uuid, int *ret_fd, struct err *err)
{
    CLEANUP_FREE char *name = file_name(uuid);
    CLEANUP_FREE char *text = NULL;
    CLEANUP_CLOSE int fd = -1;
    size_t len = 0;

    if (io_open_in(state_fd, name, O_RDWR, 0, &fd, err) < 0 ||
        io_read_file(state_fd, name, INTENT_MAX, &text, &len, err) < 0)
        return err_prefix(err, "journal %s", name);
    const char *found = memmem(text, len, NOT_TAKEN, strlen(NOT_TAKEN));
    if (!found)
        return err_set(err, ERR_EXISTS, "journal %s was already taken over", name);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return err_set_errno(err, errno, "journal %s: cannot lock it", name);
    if (io_pwrite(fd, TAKEN, strlen(TAKEN), (uint64_t)(found - text), err) < 0 ||
        io_sync(fd, err) < 0)
        return err_prefix(err, "journal %s", name);
    *ret_fd = TAKE_FD(fd);
    return 0;
}

bool intent_is_taken(int state_fd, const char *uuid)
{
    CLEANUP_INTENT struct intent intent = {0};

    return intent_read(state_fd, uuid, &intent, NULL) < 0 || intent.taken_over;
}

void intent_wait_taken(int state_fd, const char *uuid, uint64_t timeout_ms)
{
    CLEANUP_FREE char *name = file_name(uuid);
    CLEANUP_CLOSE int fd = -1;
    uint64_t begun_ms = units_now_ms();

    if (io_open_in(state_fd, name, O_RDONLY, 0, &fd, NULL) < 0)
        return;
    while (flock(fd, LOCK_EX | LOCK_NB) < 0 && units_now_ms() - begun_ms < timeout_ms)
        poll(NULL, 0, 50);
}
