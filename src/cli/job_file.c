/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/job_file.h"

#include <string.h>

#include "base/buf.h"
#include "base/ini.h"
#include "base/text.h"
#include "cli/arguments.h"
#include "cli/job_table.h"
#include "cli/lists.h"

/* ---- jobs --------------------------------------------------------------------------- */

void job_add(struct job *job, const struct job_setting *setting)
{
    job->settings = mem_resize(job->settings, job->count + 1, sizeof(*job->settings));
    job->settings[job->count++] = *setting;
}

void job_clear(struct job *job)
{
    for (size_t i = 0; i < job->count; i++)
        free(job->settings[i].text);
    for (size_t i = 0; i < job->section_count; i++)
        free(job->sections[i].guests);
    free(job->settings);
    free(job->sections);
    free(job->unusable);
    free(job->name);
    free(job->path);
    *job = (struct job){0};
}

const struct job_setting *job_find(const struct job *job, const char *key)
{
    const struct options_row *row = options_find(&job_keys, key);

    for (size_t i = job->count; i-- > 0;)
        if (job->settings[i].row == row && job->settings[i].section == 0)
            return job->settings[i].off ? NULL : &job->settings[i];
    return NULL;
}

void job_override(struct job *job, const struct options_given *given)
{
    for (size_t i = 0; i < given->count; i++) {
        const struct options_value *value = &given->values[i];
        const struct options_row *row = options_find(&job_keys, value->row->name);
        if (row)
            job_add(job, &(struct job_setting){.row = row, .text = mem_strdup(value->text)});
    }
}

/* ---- sections ------------------------------------------------------------------------ */

static int add_job_section(struct job *job, const struct ini_line *line, struct err *err)
{
    const char *guests = text_after(line->section, "guest ");

    while (guests && *guests == ' ')
        guests++;
    if (!guests || *guests == '\0')
        return err_set(err, ERR_USAGE,
                       "unknown section [%s]; keys for some guests go below [guest NAME], where "
                       "NAME may be a pattern",
                       line->section);
    for (size_t i = 0; i < job->section_count; i++)
        if (strcmp(job->sections[i].guests, guests) == 0)
            return err_set(err, ERR_USAGE, "[guest %s] is on line %u, too; merge the two", guests,
                           job->sections[i].line);
    job->sections = mem_resize(job->sections, job->section_count + 1, sizeof(*job->sections));
    job->sections[job->section_count++] = (struct job_section){mem_strdup(guests), line->number};
    return 0;
}

/* ---- keys ------------------------------------------------------------------------------ */

static int refuse_key(const char *key, struct err *err)
{
    const char *name = text_after(key, "--");
    const char *nearest = options_nearest(&job_keys, name ? name : key);

    err_set(err, ERR_USAGE, "unknown key '%s'", key);
    if (nearest)
        return err_append(err, "did you mean '%s'?", nearest);
    return err_append(err, "virt-backup-job(5) lists the keys");
}

static int check_key_place(const struct job *job, const struct options_row *row, size_t section,
                           struct err *err)
{
    if (section && job_key_of(row)->place == JOB_WHOLE)
        return err_set(err, ERR_USAGE,
                       "'%s' is for the whole job; move it before the first section", row->name);
    for (size_t i = 0; i < job->count; i++)
        if (job->settings[i].row == row && job->settings[i].section == section &&
            !options_add_up(row))
            return err_set(err, ERR_USAGE, "'%s' is on line %u, too; remove one of them", row->name,
                           job->settings[i].line);
    return 0;
}

/* ---- values ------------------------------------------------------------------------------ */

/* "web, db*" as the option takes it, without the blanks. */
static char *without_blanks(const char *text, struct err *err)
{
    CLEANUP_STRINGS struct strings names = {0};
    struct buf list = {0};

    if (lists_add_names(&names, text, err) < 0)
        return NULL;
    for (size_t i = 0; i < names.count; i++) {
        const char *name = names.items[i] + strspn(names.items[i], " \t");
        size_t len = strlen(name);
        while (len && (name[len - 1] == ' ' || name[len - 1] == '\t'))
            len--;
        if (i)
            buf_put_u8(&list, ',');
        for (size_t j = 0; j < len; j++) {
            if (name[j] == ',' || name[j] == '\\')
                buf_put_u8(&list, '\\');
            buf_put_u8(&list, (uint8_t)name[j]);
        }
    }
    return buf_take_str(&list);
}

/* A file is read in another folder than it was written in. */
static int check_whole_path(const struct options_row *row, const char *text, struct err *err)
{
    static const char *const kinds[] = {"PATH", "FILE", "PROGRAM", "URL"};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        if (row->metavar && strcmp(row->metavar, kinds[i]) == 0 && *text != '\0' && *text != '/' &&
            !(strcmp(row->metavar, "URL") == 0 && strchr(text, ':')))
            return err_set(err, ERR_USAGE, "'%s' is not an absolute path; begin it with '/'", text);
    return 0;
}

/* Whether the value is only switched on or off; *ret_off: which. */
static bool is_switch(const struct options_row *row, const char *text, bool *ret_off)
{
    *ret_off = strcmp(text, "no") == 0;
    return (row->kind == OPTION_FLAG || row->optional) && (*ret_off || strcmp(text, "yes") == 0);
}

static int check_key_value(const struct options_row *row, const char *text, struct err *err)
{
    struct arguments scratch = {0};

    if (check_whole_path(row, text, err) < 0)
        return -1;
    int status = options_set(row, text, &scratch, err);
    options_clear(&job_keys, &scratch);
    return status;
}

/* What follows the equals sign. The text of *ret is the caller's. */
static int read_key_value(const char *text, struct job_setting *ret, struct err *err)
{
    CLEANUP_FREE char *value = NULL;

    if (*text == '\0')
        return err_set(err, ERR_USAGE, "its value is missing");
    if (is_switch(ret->row, text, &ret->off))
        return 0;
    if (ret->row->kind == OPTION_FLAG)
        return err_set(err, ERR_USAGE, "'%s' is neither yes nor no", text);
    value = options_add_up(ret->row) ? without_blanks(text, err) : mem_strdup(text);
    if (!value || check_key_value(ret->row, value, err) < 0)
        return -1;
    ret->text = TAKE_PTR(value);
    return 0;
}

static int take_job_line(void *opaque, const struct ini_line *line, struct err *err)
{
    struct job *job = opaque;

    if (!line->key)
        return add_job_section(job, line, err);
    struct job_setting setting = {.row = options_find(&job_keys, line->key),
                                  .line = line->number,
                                  .section = job->section_count};
    if (!setting.row)
        return refuse_key(line->key, err);
    if (check_key_place(job, setting.row, setting.section, err) < 0)
        return -1;
    if (read_key_value(line->value, &setting, err) < 0)
        return err_prefix(err, "%s", line->key);
    job_add(job, &setting);
    return 0;
}

int job_file_parse(const char *text, size_t len, struct job *job, struct err *err)
{
    if (ini_read(text, len, take_job_line, job, err) < 0)
        return err_prefix(err, "%s", job->path);
    return 0;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static int prefix_setting(const struct job *job, const struct job_setting *setting, struct err *err)
{
    if (setting->line == 0)
        return err_prefix(err, "option '--%s'", setting->row->name);
    return err_prefix(err, "%s: line %u", job->path, setting->line);
}

static int check_key_store(const struct job *job, const struct job_setting *setting,
                           bool repository, struct err *err)
{
    enum job_store store = job_key_of(setting->row)->store;

    if (store == JOB_REPOSITORY && !repository)
        err_set(err, ERR_USAGE,
                "'%s' is for a repository; with destination-path there is one backup of each guest",
                setting->row->name);
    else if (store == JOB_FOLDER && repository)
        err_set(err, ERR_USAGE, "'%s' does not go with a repository; remove it",
                setting->row->name);
    else
        return 0;
    return prefix_setting(job, setting, err);
}

int job_check(const struct job *job, struct err *err)
{
    const struct job_setting *repository = job_find(job, "repository");
    const struct job_setting *folder = job_find(job, "destination-path");

    if (!repository && !folder)
        return err_set(err, ERR_USAGE,
                       "%s: it does not say where backups go; add a line: repository = /PATH",
                       job->path);
    if (repository && folder) {
        err_set(err, ERR_USAGE, "repository and destination-path exclude each other; keep one");
        return prefix_setting(job, folder > repository ? folder : repository, err);
    }
    for (size_t i = 0; i < job->count; i++)
        if (check_key_store(job, &job->settings[i], repository != NULL, err) < 0)
            return -1;
    return 0;
}

int job_check_usable(const struct job *job, struct err *err)
{
    return job->unusable ? err_set(err, ERR_USAGE, "%s", job->unusable) : 0;
}
