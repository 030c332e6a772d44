/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Environment files, as systemd reads them for services of earlier versions: their variables hold
 * parts of command lines, whose options are keys of jobs.
 */
#include "cli/job_file.h"

#include <string.h>

#include "base/buf.h"
#include "base/ini.h"
#include "base/text.h"
#include "cli/arguments.h"
#include "cli/job_table.h"
#include "cli/job_words.h"
#include "cli/verb.h"

struct old_variable {
    const char *name;
    const char *option;      /* that its value belongs to; NULL: */
    const struct verb *verb; /* of whose command line it is a part */
};

static const struct old_variable variables[] = {
    {"DESTINATION", "destination-path", NULL}, {"REPOSITORY", "repository", NULL},
    {"OPTIONS", NULL, &backup_verb},           {"KEEP", NULL, &prune_verb},
    {"COLLECT", NULL, &collect_verb},
};

/* They change what is shown, not what is done. */
static bool is_about_output(const char *option)
{
    return text_same(option, "quiet") || text_same(option, "verbose") || text_same(option, "json");
}

/* What has been read. */
struct old_file {
    struct job *job;
    /* Settings of prune and collect that a job has for its backups, too. */
    struct job shared;
};

static void refuse_to_run(struct job *job, unsigned line, const char *what, const char *option)
{
    if (!job->unusable)
        job->unusable =
            mem_printf("%s: line %u: %s '--%s'; remove it", job->path, line, what, option);
}

static void add_old_option(struct old_file *file, const struct old_variable *variable,
                           const struct options_value *value, unsigned line)
{
    const struct options_row *row = options_find(&job_keys, value->row->name);
    CLEANUP_FREE char *what = mem_printf("%s: a job cannot have the option", variable->name);

    if (is_about_output(value->row->name))
        return;
    /* collect has an option of this name that means something else */
    if (!row || row->kind != value->row->kind) {
        refuse_to_run(file->job, line, what, value->row->name);
        return;
    }
    unsigned steps = job_key_of(row)->steps;
    bool shared = variable->verb != &backup_verb && (steps == 0 || (steps & JOB_BACKUP));
    job_add(shared ? &file->shared : file->job,
            &(struct job_setting){.row = row, .text = mem_strdup(value->text), .line = line});
}

/* They would be about the backups, too, unless these have the same. */
static void check_shared_options(struct old_file *file)
{
    for (size_t i = 0; i < file->shared.count; i++) {
        const struct job_setting *setting = &file->shared.settings[i];
        bool same = false;
        for (size_t j = 0; j < file->job->count && !same; j++)
            same = file->job->settings[j].row == setting->row &&
                   text_same(file->job->settings[j].text, setting->text);
        if (!same)
            refuse_to_run(file->job, setting->line,
                          "a job has one value for all that it does, and OPTIONS does not have",
                          setting->row->name);
    }
}

/* The options of such a command line; those that it must have are in other variables. */
static int add_old_options(struct old_file *file, const struct old_variable *variable,
                           const struct strings *words, unsigned line, struct err *err)
{
    const struct options_table *whole = &variable->verb->options;
    CLEANUP_FREE struct options_row *rows = mem_array(whole->count, sizeof(*rows));
    CLEANUP_FREE const char **args = mem_array(words->count + 1, sizeof(*args));
    struct arguments arguments = {0};
    const struct options_table table = {.rows = rows,
                                        .count = whole->count,
                                        .notes_given = true,
                                        .given = offsetof(struct arguments, given)};
    bool help = false;

    for (size_t i = 0; i < whole->count; i++) {
        rows[i] = whole->rows[i];
        rows[i].required = false;
    }
    for (size_t i = 0; i < words->count; i++)
        args[i] = words->items[i];
    int status = options_read(&table, args, &arguments, &help, err);
    if (status < 0)
        err_prefix(err, "%s", variable->name);
    for (size_t i = 0; status == 0 && i < arguments.given.count; i++)
        add_old_option(file, variable, &arguments.given.values[i], line);
    options_clear(&table, &arguments);
    return status;
}

static int add_old_variable(struct old_file *file, const struct old_variable *variable,
                            const struct ini_line *line, struct err *err)
{
    CLEANUP_STRINGS struct strings words = {0};

    if (job_words_split(line->value, &words, err) < 0)
        return err_prefix(err, "%s", variable->name);
    /* systemd takes quotes around a value away, and then splits it at blanks. */
    if (words.count == 1 && variable->verb && strpbrk(words.items[0], " \t")) {
        CLEANUP_STRINGS struct strings inner = {0};
        if (job_words_split(words.items[0], &inner, err) < 0)
            return err_prefix(err, "%s", variable->name);
        return add_old_options(file, variable, &inner, line->number, err);
    }
    if (variable->verb)
        return add_old_options(file, variable, &words, line->number, err);
    if (words.count != 1)
        return err_set(err, ERR_USAGE, "%s must be one path; write \"...\" around it",
                       variable->name);
    job_add(file->job, &(struct job_setting){.row = options_find(&job_keys, variable->option),
                                             .text = mem_strdup(words.items[0]),
                                             .line = line->number});
    return 0;
}

static int take_old_line(void *opaque, const struct ini_line *line, struct err *err)
{
    struct old_file *file = opaque;

    if (!line->key)
        return err_set(err, ERR_USAGE,
                       "an environment file has no sections; a job file would be in the folder "
                       "jobs.d");
    for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++)
        if (strcmp(line->key, variables[i].name) == 0)
            return add_old_variable(file, &variables[i], line, err);
    return 0; /* of something else that the service runs */
}

int job_file_parse_old(const char *text, size_t len, struct job *job, struct err *err)
{
    struct old_file file = {.job = job};
    int status = ini_read(text, len, take_old_line, &file, err);

    if (status == 0)
        check_shared_options(&file);
    job_clear(&file.shared);
    return status < 0 ? err_prefix(err, "%s", job->path) : 0;
}
