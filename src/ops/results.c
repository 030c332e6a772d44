/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/results.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/io.h"
#include "base/json.h"
#include "base/lock_file.h"
#include "base/log.h"
#include "base/text.h"
#include "base/utf8.h"
#include "ops/points/repository_results.h"
#include "ops/undo/state_dir.h"

#define FOLDER "results"
#define FORMAT 1
#define FILE_MAX ((size_t)1 << 20)
#define TEXT_MAX 2000u     /* bytes, of each text of a result */
#define NAME_MAX_USED 200u /* bytes of a file name */
#define WAIT_MS 10000u     /* for others that add a result to the same file */

const char *results_keep(struct results *results, const char *text)
{
    if (!text)
        return NULL;
    strings_add(&results->texts, text);
    return results->texts.items[results->texts.count - 1];
}

void results_append(struct results *results, const struct run_result *result)
{
    results->all = mem_resize(results->all, results->count + 1, sizeof(*results->all));
    results->all[results->count++] = *result;
}

const char *results_reason(const char *reason, const char *guest)
{
    CLEANUP_FREE char *start = mem_printf("guest '%s': ", guest);
    const char *rest = text_after(reason, start);

    return rest ? rest : reason;
}

/* ---- a result as JSON ------------------------------------------------------------------------ */

static void set_cut_text(struct json *object, const char *name, const char *text)
{
    CLEANUP_FREE char *cut = text ? mem_strndup(text, utf8_cut(text, TEXT_MAX)) : NULL;

    json_set_str(object, name, cut);
}

static struct json *result_to_json(const struct run_result *result)
{
    struct json *object = json_new_object();

    set_cut_text(object, "job", result->job);
    set_cut_text(object, "guest", result->guest);
    set_cut_text(object, "uuid", result->uuid);
    set_cut_text(object, "verb", result->verb);
    set_cut_text(object, "host", result->host);
    json_set_u64(object, "started", (uint64_t)result->started_s);
    json_set_u64(object, "ended", (uint64_t)result->ended_s);
    json_set_u64(object, "status", (uint64_t)result->status);
    set_cut_text(object, "point", result->point);
    json_set_u64(object, "read", result->read);
    json_set_u64(object, "stored", result->stored);
    set_cut_text(object, "reason", result->reason);
    return object;
}

static const char *keep_text(const struct json *object, const char *name, struct results *results)
{
    return results_keep(results, json_get_str(object, name));
}

/* False: it is not a result. */
static bool take_kept_result(const struct json *object, struct results *ret)
{
    struct run_result result = {
        .job = keep_text(object, "job", ret),
        .guest = keep_text(object, "guest", ret),
        .uuid = keep_text(object, "uuid", ret),
        .verb = keep_text(object, "verb", ret),
        .host = keep_text(object, "host", ret),
        .point = keep_text(object, "point", ret),
        .reason = keep_text(object, "reason", ret),
    };
    uint64_t started = 0, ended = 0, status = 0;

    if (!result.verb || !result.host || (!result.guest && !result.job) ||
        (result.guest && !result.uuid) || !json_get_u64(object, "started", &started) ||
        !json_get_u64(object, "ended", &ended) || !json_get_u64(object, "status", &status) ||
        status > UINT8_MAX || !json_get_u64(object, "read", &result.read) ||
        !json_get_u64(object, "stored", &result.stored))
        return false;
    result.started_s = (int64_t)started;
    result.ended_s = (int64_t)ended;
    result.status = (int)status;
    results_append(ret, &result);
    return true;
}

/* ---- a file ---------------------------------------------------------------------------------- */

void results_clear(struct results *results)
{
    free(results->all);
    strings_clear(&results->texts);
    *results = (struct results){0};
}

/* Corrupt: it is damaged. Unsupported: a later version wrote it. */
static int parse_results(const char *text, size_t len, struct results *ret, struct err *err)
{
    CLEANUP(json_freep) struct json *json = json_parse(text, len, err);
    uint64_t format = 0;

    if (!json)
        return -1;
    if (json_get_u64(json, "format", &format) && format > FORMAT)
        return err_set(err, ERR_UNSUPPORTED, "was written by a later version of virt-backup");
    const struct json *array = json_get(json, "results");
    if (format != FORMAT || !array)
        return err_set(err, ERR_CORRUPT, "is not a file of results");
    for (size_t i = 0; i < json_length(array); i++)
        if (!take_kept_result(json_at(array, i), ret))
            return err_set(err, ERR_CORRUPT, "result %zu of it is incomplete", i + 1);
    return 0;
}

/* Appends its results, or none; a file that is missing has none. */
static int read_results_file(int dir_fd, const char *name, struct results *ret, struct err *err)
{
    CLEANUP_RESULTS struct results results = {0};
    CLEANUP_ERR struct err why = ERR_INIT;
    CLEANUP_FREE char *text = NULL;
    size_t len = 0;

    if (io_read_file(dir_fd, name, FILE_MAX, &text, &len, &why) < 0)
        return why.kind == ERR_NOT_FOUND ? 0 : err_move(err, &why);
    if (parse_results(text, len, &results, err) < 0)
        return -1;
    for (size_t i = 0; i < results.count; i++)
        results_append(ret, &results.all[i]);
    for (size_t i = 0; i < results.texts.count; i++)
        strings_take(&ret->texts, TAKE_PTR(results.texts.items[i]));
    results.texts.count = 0;
    return 0;
}

static int write_results_file(int dir_fd, const char *name, const struct results *old,
                              const struct run_result *newest, struct err *err)
{
    CLEANUP(json_freep) struct json *json = json_new_object();
    struct json *array = json_new_array();
    size_t first = old->count < RESULTS_KEPT ? 0 : old->count - (RESULTS_KEPT - 1);

    for (size_t i = first; i < old->count; i++)
        json_add(array, result_to_json(&old->all[i]));
    json_add(array, result_to_json(newest));
    json_set_u64(json, "format", FORMAT);
    json_set(json, "results", array);
    CLEANUP_FREE char *text = json_format(json);
    const struct io_file file = {name, text, strlen(text), 0600, true};
    return io_publish(dir_fd, &file, err);
}

/* "job-NAME.json"; bytes that a name of a file should not have become "%2f". */
static int name_results_file(const struct run_result *result, char **ret, struct err *err)
{
    const char *word = result->guest ? result->uuid : result->job;
    CLEANUP_BUF struct buf name = {0};

    if (!word || !*word)
        return err_set(err, ERR_USAGE, "a result of no guest and no job");
    buf_append_str(&name, result->guest ? "guest-" : "job-");
    for (const unsigned char *p = (const unsigned char *)word; *p; p++) {
        if (*p < 0x80 && (isalnum(*p) || strchr("-_.", *p)))
            buf_append(&name, p, 1);
        else
            buf_printf(&name, "%%%02x", *p);
    }
    if (name.len > NAME_MAX_USED)
        return err_set(err, ERR_USAGE, "the name '%s' is too long", word);
    buf_append_str(&name, ".json");
    *ret = buf_take_str(&name);
    return 0;
}

/* ---- adding ---------------------------------------------------------------------------------- */

static int open_results_folder(int *ret_fd, struct err *err)
{
    CLEANUP_CLOSE int state_fd = -1;

    if (state_dir_open(&state_fd, err) < 0)
        return -1;
    if (mkdirat(state_fd, FOLDER, 0700) < 0 && errno != EEXIST)
        return err_set_errno(err, errno, FOLDER ": cannot create the folder");
    *ret_fd = openat(state_fd, FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return *ret_fd < 0 ? err_set_errno(err, errno, FOLDER ": cannot open the folder") : 0;
}

/* Whoever has the lock is the only one that writes the file. */
static void remove_unfinished(int dir_fd, const char *name)
{
    CLEANUP_FREE char *start = mem_printf(".%s.", name);
    CLEANUP_STRINGS struct strings names = {0};

    if (dir_list(dir_fd, ".", &names, NULL) < 0)
        return;
    for (size_t i = 0; i < names.count; i++)
        if (text_begins(names.items[i], start) && text_ends(names.items[i], ".new"))
            (void)unlinkat(dir_fd, names.items[i], 0);
}

/* For messages; the caller frees. */
static char *results_path(const char *name)
{
    CLEANUP_FREE char *folder = NULL;

    return mem_printf("%s/" FOLDER "/%s",
                      state_dir_path(&folder, NULL) < 0 ? "the state directory" : folder, name);
}

static int set_aside(int dir_fd, const char *name, const struct err *why, struct err *err)
{
    CLEANUP_FREE char *aside = mem_printf("%s.damaged", name);
    CLEANUP_FREE char *path = results_path(name);

    if (io_rename(dir_fd, name, aside, true, err) < 0)
        return -1;
    log_warn("%s: %s; it is kept as %s, and results begin with this one", path, why->text, aside);
    return 0;
}

static int add_to_results_file(int dir_fd, const char *name, const struct run_result *result,
                               struct err *err)
{
    CLEANUP(lock_file_releasep) struct lock_file *lock = NULL;
    CLEANUP_FREE char *lock_name = mem_printf("%s.lock", name);
    CLEANUP_RESULTS struct results old = {0};
    CLEANUP_ERR struct err why = ERR_INIT;

    if (lock_file_take(dir_fd, lock_name, WAIT_MS, &lock, err) < 0)
        return -1;
    remove_unfinished(dir_fd, name);
    if (read_results_file(dir_fd, name, &old, &why) < 0) {
        if (why.kind != ERR_CORRUPT)
            return err_move(err, &why);
        if (set_aside(dir_fd, name, &why, err) < 0)
            return -1;
    }
    return write_results_file(dir_fd, name, &old, result, err);
}

static int add_to_state_dir(const struct run_result *result, struct err *err)
{
    CLEANUP_FREE char *name = NULL;
    CLEANUP_CLOSE int dir_fd = -1;

    if (name_results_file(result, &name, err) < 0)
        return -1;
    if (open_results_folder(&dir_fd, err) < 0)
        return err_prefix(err, "the result of the run is not kept");
    if (add_to_results_file(dir_fd, name, result, err) == 0)
        return 0;
    CLEANUP_FREE char *path = results_path(name);
    return err_prefix(err, "%s: the result of the run is not kept", path);
}

int results_add(const struct run_result *result, const char *repository_or_null, const char *scope,
                struct err *err)
{
    CLEANUP_ERR struct err first = ERR_INIT;
    int here = add_to_state_dir(result, &first);

    if (repository_or_null && result->guest && result->uuid &&
        points_repository_add_result(result, repository_or_null, scope, here < 0 ? NULL : &first) <
            0)
        here = -1;
    return here < 0 ? err_move(err, &first) : 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

struct numbered_result {
    struct run_result result;
    size_t number; /* those of one second stay in the order of their files */
};

static int compare_results(const void *a, const void *b)
{
    const struct numbered_result *first = a, *second = b;

    if (first->result.ended_s != second->result.ended_s)
        return first->result.ended_s < second->result.ended_s ? -1 : 1;
    return first->number < second->number ? -1 : 1;
}

void results_sort(struct results *results)
{
    CLEANUP_FREE struct numbered_result *all = mem_array(results->count, sizeof(*all));

    for (size_t i = 0; i < results->count; i++)
        all[i] = (struct numbered_result){results->all[i], i};
    qsort(all, results->count, sizeof(*all), compare_results);
    for (size_t i = 0; i < results->count; i++)
        results->all[i] = all[i].result;
}

int results_read(struct results *ret, struct err *err)
{
    CLEANUP_STRINGS struct strings names = {0};
    CLEANUP_CLOSE int state_fd = state_dir_look(), dir_fd = -1;

    if (state_fd < 0)
        return 0;
    dir_fd = openat(state_fd, FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir_fd < 0 && errno == ENOENT)
        return 0;
    CLEANUP_FREE char *path = results_path("");
    if (dir_fd < 0)
        return err_set_errno(err, errno, "%s: cannot open the folder", path);
    if (dir_list(dir_fd, ".", &names, err) < 0)
        return err_prefix(err, "%s", path);
    for (size_t i = 0; i < names.count; i++) {
        CLEANUP_ERR struct err why = ERR_INIT;
        if (names.items[i][0] != '.' && text_ends(names.items[i], ".json") &&
            read_results_file(dir_fd, names.items[i], ret, &why) < 0)
            log_warn("%s%s: %s; its results are not shown", path, names.items[i], why.text);
    }
    results_sort(ret);
    return 0;
}
