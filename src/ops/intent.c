/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/intent.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "base/xml.h"

#define INTENT_VERSION 1
#define INTENT_SUFFIX ".intent"
#define INTENT_MAX (XML_MAX_SIZE * 2)

static void free_list(char **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(list[i]);
    free(list);
}

static void add_to_list(char ***list, size_t *count, const char *text)
{
    *list = mem_resize(*list, *count + 1, sizeof(**list));
    (*list)[(*count)++] = mem_strdup(text);
}

void intent_clear(struct intent *intent)
{
    free_list(intent->scratch, intent->scratch_count);
    free_list(intent->files, intent->file_count);
    free(intent->defined);
    free(intent->old_xml);
    free(intent->moved);
    free(intent->moved_from);
    free(intent->outdated);
    free(intent->resumed);
    free(intent->since);
    free(intent->uri);
    free(intent->uuid);
    free(intent->name);
    free(intent->socket);
    free(intent->memory);
    free(intent->live_xml);
    free(intent->archive);
    *intent = (struct intent){0};
}

void intent_add_scratch(struct intent *intent, const char *path)
{
    add_to_list(&intent->scratch, &intent->scratch_count, path);
}

void intent_add_file(struct intent *intent, const char *path)
{
    add_to_list(&intent->files, &intent->file_count, path);
}

bool intent_is_empty(const struct intent *intent)
{
    return !intent->socket && !intent->frozen && !intent->held && !intent->saved &&
           !intent->memory && intent->file_count == 0 && !intent->defined && !intent->moved &&
           !intent->outdated && !intent->resumed;
}

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

void intent_sign(struct intent *intent)
{
    char when[32];
    time_t now = time(NULL);
    struct tm local;

    localtime_r(&now, &local);
    strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &local);
    intent->pid = getpid();
    intent->pid_started = start_time(intent->pid);
    free(intent->since);
    intent->since = mem_strdup(when);
}

bool intent_owner_lives(const struct intent *intent)
{
    uint64_t started = start_time(intent->pid);

    return started != 0 && started == intent->pid_started;
}

/* ---- the file -------------------------------------------------------------------------- */

static char *file_name(const char *uuid)
{
    return mem_printf("%s%s", uuid, INTENT_SUFFIX);
}

static struct json *json_of_list(char **list, size_t count)
{
    struct json *array = json_new_array();

    for (size_t i = 0; i < count; i++) {
        struct json *entry = json_new_object();
        json_set_str(entry, "path", list[i]);
        json_add(array, entry);
    }
    return array;
}

static void read_list(const struct json *array, char ***list, size_t *count)
{
    for (size_t i = 0; i < json_length(array); i++) {
        const char *path = json_get_str(json_at(array, i), "path");
        if (path)
            add_to_list(list, count, path);
    }
}

int intent_write(int state_fd, const struct intent *intent, struct err *err)
{
    CLEANUP(json_freep) struct json *json = json_new_object();
    CLEANUP_FREE char *name = file_name(intent->uuid);

    assert(*intent->uuid); /* intent_list would not find it */
    json_set_u64(json, "version", INTENT_VERSION);
    json_set_u64(json, "pid", (uint64_t)intent->pid);
    json_set_u64(json, "pid-started", intent->pid_started);
    json_set_str(json, "since", intent->since);
    json_set_str(json, "uri", intent->uri);
    json_set_str(json, "uuid", intent->uuid);
    json_set_str(json, "name", intent->name);
    json_set_bool(json, "persistent", intent->persistent);
    json_set_bool(json, "was-running", intent->was_running);
    json_set_str(json, "socket", intent->socket);
    json_set_bool(json, "frozen", intent->frozen);
    json_set_bool(json, "held", intent->held);
    json_set_bool(json, "saved", intent->saved);
    json_set_str(json, "memory", intent->memory);
    json_set_str(json, "live-xml", intent->live_xml);
    json_set_str(json, "archive", intent->archive);
    json_set(json, "scratch", json_of_list(intent->scratch, intent->scratch_count));
    json_set(json, "files", json_of_list(intent->files, intent->file_count));
    json_set_str(json, "defined", intent->defined);
    json_set_str(json, "old-xml", intent->old_xml);
    json_set_bool(json, "old-autostart", intent->old_autostart);
    json_set_bool(json, "in-place", intent->in_place);
    json_set_str(json, "moved", intent->moved);
    json_set_str(json, "moved-from", intent->moved_from);
    json_set_str(json, "outdated", intent->outdated);
    json_set_str(json, "resumed", intent->resumed);
    CLEANUP_FREE char *text = json_format(json);
    if (io_publish(state_fd, name, text, strlen(text), 0600, true, err) < 0)
        return err_prefix(err, "cannot note in the state directory what is to be done");
    return 0;
}

static char *text_at(const struct json *json, const char *name)
{
    return mem_strdup(json_get_str(json, name));
}

static int take_fields(const struct json *json, struct intent *ret, struct err *err)
{
    uint64_t version = 0;
    uint64_t pid = 0;

    if (!json_get_u64(json, "version", &version) || version != INTENT_VERSION ||
        !json_get_u64(json, "pid", &pid) || !json_get_u64(json, "pid-started", &ret->pid_started))
        return err_set(err, ERR_CORRUPT, "is not a journal that this version can read");
    ret->pid = (pid_t)pid;
    ret->since = text_at(json, "since");
    ret->uri = text_at(json, "uri");
    ret->uuid = text_at(json, "uuid");
    ret->name = text_at(json, "name");
    ret->socket = text_at(json, "socket");
    ret->memory = text_at(json, "memory");
    ret->live_xml = text_at(json, "live-xml");
    ret->archive = text_at(json, "archive");
    ret->persistent = json_get_bool(json, "persistent");
    ret->was_running = json_get_bool(json, "was-running");
    ret->frozen = json_get_bool(json, "frozen");
    ret->held = json_get_bool(json, "held");
    ret->saved = json_get_bool(json, "saved");
    ret->defined = text_at(json, "defined");
    ret->old_xml = text_at(json, "old-xml");
    ret->moved = text_at(json, "moved");
    ret->moved_from = text_at(json, "moved-from");
    ret->outdated = text_at(json, "outdated");
    ret->resumed = text_at(json, "resumed");
    ret->old_autostart = json_get_bool(json, "old-autostart");
    ret->in_place = json_get_bool(json, "in-place");
    read_list(json_get(json, "scratch"), &ret->scratch, &ret->scratch_count);
    read_list(json_get(json, "files"), &ret->files, &ret->file_count);
    bool guest = ret->socket || ret->frozen || ret->held || ret->saved || ret->defined;
    if ((guest && !ret->uri) || !ret->uuid || !*ret->uuid || !ret->name ||
        (ret->saved && (!ret->memory || !ret->live_xml)) || !ret->moved != !ret->moved_from)
        return err_set(err, ERR_CORRUPT, "is not a whole journal");
    return 0;
}

int intent_parse(const char *text, size_t len, struct intent *ret, struct err *err)
{
    CLEANUP_INTENT struct intent intent = {0};
    CLEANUP(json_freep) struct json *json = json_parse(text, len, err);

    if (!json || take_fields(json, &intent, err) < 0)
        return -1;
    *ret = intent;
    intent = (struct intent){0};
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

int intent_list(int state_fd, char ***ret_uuids, size_t *ret_count, struct err *err)
{
    int fd = openat(state_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    char **uuids = NULL;
    size_t count = 0;

    if (!dir) {
        int saved = errno;
        if (fd >= 0)
            close(fd);
        return err_set_errno(err, saved, "cannot list the state directory");
    }
    for (const struct dirent *entry; (entry = readdir(dir));) {
        size_t len = strlen(entry->d_name);
        size_t suffix = strlen(INTENT_SUFFIX);
        if (len <= suffix || strcmp(entry->d_name + len - suffix, INTENT_SUFFIX) != 0)
            continue;
        uuids = mem_resize(uuids, count + 1, sizeof(*uuids));
        uuids[count++] = mem_strndup(entry->d_name, len - suffix);
    }
    closedir(dir);
    *ret_uuids = uuids;
    *ret_count = count;
    return 0;
}

void intent_list_free(char **uuids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(uuids[i]);
    free(uuids);
}
