/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/intent_private.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "base/dir.h"
#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "base/xml.h"

#define INTENT_SUFFIX ".intent"
#define INTENT_MAX (XML_MAX_SIZE * 2)

/* ---- whose it is --------------------------------------------------------------------- */

/* Field 22 of /proc/PID/stat, counted from behind the command's name, which may
 * hold blanks and parentheses; 0 if there is no such process, or only what is left
 * of it until its parent looks (state Z). */
static uint64_t start_time(pid_t pid)
{
    CLEANUP_FREE char *path = mem_printf("/proc/%ld/stat", (long)pid);
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[1024];
    size_t len = 0;

    if (fd < 0 || io_read_some(fd, text, sizeof(text) - 1, &len, NULL) < 0)
        return 0;
    text[len] = '\0';
    char *p = strrchr(text, ')');
    if (p && (strncmp(p, ") Z", 3) == 0 || strncmp(p, ") X", 3) == 0))
        return 0;
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    return p ? strtoull(p + 1, NULL, 10) : 0;
}

void intent_sign(struct intent *intent, enum intent_kind kind)
{
    char when[32];
    time_t now = time(NULL);
    struct tm local;

    localtime_r(&now, &local);
    strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &local);
    intent->kind = kind;
    intent->pid = (uint64_t)getpid();
    intent->pid_started = start_time((pid_t)intent->pid);
    free(intent->since);
    intent->since = mem_strdup(when);
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

    assert(*intent->uuid); /* intent_list would not find it */
    if (io_publish(state_fd, name, text, strlen(text), 0600, true, err) < 0)
        return err_prefix(err, "cannot note in the state directory what is to be done");
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
    /* It is gone for everybody who looks; what it stood for is not to be undone any more. */
    if (io_sync_dir(state_fd, &sync_err) < 0)
        log_warn(
            "the state directory: %s; if the host fails now, look at what `virt-backup recover` "
            "undoes after it",
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
