/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where the files of jobs are, and who can change them.
 */
#include "cli/job_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/io.h"
#include "base/shell.h"
#include "base/text.h"
#include "cli/suggest.h"

#define FOLDER "/etc/virt-backup"
#define SUFFIX ".conf"

void job_places_usual(struct job_places *ret)
{
    const char *config = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");

    *ret = (struct job_places){0};
    if (geteuid() == 0)
        *ret = (struct job_places){mem_strdup(FOLDER "/jobs.d"), mem_strdup(FOLDER)};
    else if (config && *config == '/')
        ret->folder = mem_printf("%s/virt-backup/jobs.d", config);
    else
        ret->folder = mem_printf("%s/.config/virt-backup/jobs.d", home ? home : "");
}

void job_places_clear(struct job_places *places)
{
    free(places->folder);
    free(places->old_folder);
    *places = (struct job_places){0};
}

/* ---- who can change them --------------------------------------------------------------- */

static int refuse_writers(const char *path, const struct stat *st, struct err *err)
{
    const char *others = geteuid() == 0 ? "others than root" : "others";
    const char *owner = geteuid() == 0 ? "root" : "you";
    CLEANUP_FREE char *quoted = shell_quote(path);

    if (st->st_uid != 0 && st->st_uid != geteuid()) {
        err_set(err, ERR_DENIED, "it belongs to user %u, who could have commands run as %s with it",
                st->st_uid, owner);
        return err_append(err, "run: chown %s %s", geteuid() == 0 ? "root" : "\"$USER\"", quoted);
    }
    err_set(err, ERR_DENIED, "%s can change it (mode %04o), and so have commands run as %s with it",
            others, st->st_mode & 07777, owner);
    return err_append(err, "run: chmod go-w %s", quoted);
}

static bool has_other_writers(const struct stat *st)
{
    /* In a sticky folder others cannot replace what is not theirs. */
    bool sticky = S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX);

    return (st->st_uid != 0 && st->st_uid != geteuid()) ||
           ((st->st_mode & (S_IWGRP | S_IWOTH)) && !sticky);
}

/* The folder in which the file is. */
static int check_folder_of(const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    CLEANUP_FREE char *folder =
        !slash ? mem_strdup(".") : mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
    struct stat st;

    if (stat(folder, &st) < 0)
        return err_set_errno(err, errno, "%s", folder);
    if (!has_other_writers(&st))
        return 0;
    refuse_writers(folder, &st, err);
    return err_prefix(err, "folder %s", folder);
}

static int check_folders(const char *path, struct err *err)
{
    CLEANUP_FREE char *real = realpath(path, NULL);

    if (!real)
        return err_set_errno(err, errno, "%s", path);
    return check_folder_of(path, err) < 0 || check_folder_of(real, err) < 0 ? -1 : 0;
}

/* The caller frees *ret_text. */
static int read_checked(const char *path, char **ret_text, size_t *ret_len, struct err *err)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    CLEANUP_FREE char *text = NULL;
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set_errno(err, errno, "cannot be read");
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_USAGE, "it is not a regular file");
    if (has_other_writers(&st))
        return refuse_writers(path, &st, err);
    if ((uint64_t)st.st_size > JOB_FILE_MAX)
        return err_set(err, ERR_USAGE, "it has more than %zu bytes, so it is not a job",
                       JOB_FILE_MAX);
    text = mem_alloc(JOB_FILE_MAX + 1);
    if (io_read_some(fd, text, JOB_FILE_MAX, ret_len, err) < 0)
        return -1;
    *ret_text = TAKE_PTR(text);
    return 0;
}

/* ---- names -------------------------------------------------------------------------------- */

/* The name of the job that a file of this name has; NULL: it has none. The caller frees. */
static char *job_of_file(const char *file)
{
    if (*file == '.' || !text_ends(file, SUFFIX))
        return NULL;
    return mem_strndup(file, strlen(file) - strlen(SUFFIX));
}

static int add_names(const char *folder, struct strings *ret, struct err *err)
{
    CLEANUP_STRINGS struct strings files = {0};

    if (!folder || (access(folder, F_OK) < 0 && errno == ENOENT))
        return 0;
    if (dir_list(AT_FDCWD, folder, &files, err) < 0)
        return err_prefix(err, "%s", folder);
    for (size_t i = 0; i < files.count; i++) {
        CLEANUP_FREE char *name = job_of_file(files.items[i]);
        if (name && !strings_has(ret, name))
            strings_add(ret, name);
    }
    return 0;
}

int job_file_names(const struct job_places *places, struct strings *ret, struct err *err)
{
    if (add_names(places->folder, ret, err) < 0 || add_names(places->old_folder, ret, err) < 0)
        return -1;
    strings_sort(ret);
    return 0;
}

static int refuse_name(const struct job_places *places, const char *name, struct err *err)
{
    CLEANUP_STRINGS struct strings names = {0};

    job_file_names(places, &names, NULL);
    const char *nearest = suggest_nearest(name, (const char *const *)names.items, names.count);
    if (places->old_folder)
        err_set(err, ERR_NOT_FOUND,
                "there is no job '%s': neither %s/%s" SUFFIX " nor %s/%s" SUFFIX " exists", name,
                places->folder, name, places->old_folder, name);
    else
        err_set(err, ERR_NOT_FOUND, "there is no job '%s': %s/%s" SUFFIX " does not exist", name,
                places->folder, name);
    return nearest ? err_append(err, "did you mean '%s'?", nearest)
                   : err_append(err, "virt-backup-job(5) says how to write one");
}

char *job_file_path(const struct job_places *places, const char *name)
{
    CLEANUP_FREE char *path = mem_printf("%s/%s" SUFFIX, places->folder, name);
    CLEANUP_FREE char *old =
        places->old_folder ? mem_printf("%s/%s" SUFFIX, places->old_folder, name) : NULL;

    return access(path, F_OK) < 0 && old && access(old, F_OK) == 0 ? TAKE_PTR(old) : TAKE_PTR(path);
}

/* Sets name, path and old of the job. */
static int find_job_file(const struct job_places *places, const char *word, struct job *job,
                         struct err *err)
{
    const char *slash = strrchr(word, '/');

    if (slash) {
        job->path = mem_strdup(word);
        job->name = job_of_file(slash + 1);
        if (!job->name)
            return err_set(err, ERR_USAGE, "%s: the name of a job file ends with " SUFFIX, word);
        return 0;
    }
    job->name = mem_strdup(word);
    job->path = job_file_path(places, word);
    job->old = !text_begins(job->path, places->folder);
    if (*word != '\0' && *word != '.' && access(job->path, F_OK) == 0)
        return 0;
    return refuse_name(places, word, err);
}

int job_file_read(const struct job_places *places, const char *word, struct job *ret,
                  struct err *err)
{
    CLEANUP_JOB struct job job = {0};
    CLEANUP_FREE char *text = NULL;
    size_t len = 0;

    if (find_job_file(places, word, &job, err) < 0 || check_folders(job.path, err) < 0)
        return -1;
    if (read_checked(job.path, &text, &len, err) < 0)
        return err_prefix(err, "%s", job.path);
    if ((job.old ? job_file_parse_old : job_file_parse)(text, len, &job, err) < 0)
        return -1;
    *ret = job;
    job = (struct job){0};
    return 0;
}

int job_file_load(const struct job_places *places, const char *word,
                  const struct options_given *given, struct job *ret, struct err *err)
{
    CLEANUP_JOB struct job job = {0};

    if (job_file_read(places, word, &job, err) < 0)
        return -1;
    job_override(&job, given);
    if (job_check(&job, err) < 0)
        return -1;
    *ret = job;
    job = (struct job){0};
    return 0;
}
