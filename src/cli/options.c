/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/options.h"

#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "cli/lists.h"
#include "cli/suggest.h"

struct reading {
    const struct options_table *table;
    const char *const *next; /* the next argument to read */
    uint8_t *arguments;
    bool *given;                    /* by row */
    const struct options_row *open; /* the NAMES option that takes further arguments */
};

static void *argument_of(const struct reading *reading, const struct options_row *row)
{
    return reading->arguments + row->offset;
}

static const struct options_row *find_row(const struct options_table *table, const char *name,
                                          size_t len)
{
    for (size_t i = 0; i < table->count; i++)
        if (strlen(table->rows[i].name) == len && strncmp(table->rows[i].name, name, len) == 0)
            return &table->rows[i];
    return NULL;
}

const struct options_row *options_find(const struct options_table *table, const char *name)
{
    return find_row(table, name, strlen(name));
}

const char *options_nearest(const struct options_table *table, const char *name)
{
    CLEANUP_FREE const char **names = mem_array(table->count, sizeof(*names));

    for (size_t i = 0; i < table->count; i++)
        names[i] = table->rows[i].name;
    return suggest_nearest(name, names, table->count);
}

bool options_add_up(const struct options_row *row)
{
    return row->kind == OPTION_NAMES || row->kind == OPTION_LIST || row->kind == OPTION_MAPS;
}

static int unknown_option(const struct options_table *table, const char *name, size_t len,
                          struct err *err)
{
    CLEANUP_FREE char *word = mem_strndup(name, len);
    const char *nearest = options_nearest(table, word);

    err_set(err, ERR_USAGE, "unknown option '--%s'", word);
    return nearest ? err_append(err, "did you mean '--%s'?", nearest)
                   : err_append(err, "see --help");
}

/* ---- values ---------------------------------------------------------------- */

static int set_text(const char *text, const char **field, struct err *err)
{
    if (*text == '\0')
        return err_set(err, ERR_USAGE, "its value is empty");
    *field = text;
    return 0;
}

static int set_size(const char *text, uint64_t *field, struct err *err)
{
    if (units_parse_size(text, field, err) < 0)
        return -1;
    return *field ? 0 : err_set(err, ERR_USAGE, "must not be zero");
}

static int set_number(const char *text, unsigned *field, struct err *err)
{
    uint64_t number = 0;

    if (units_parse_number(text, 1, OPTIONS_MAX_NUMBER, &number, err) < 0)
        return -1;
    *field = (unsigned)number;
    return 0;
}

int options_set(const struct options_row *row, const char *text, void *arguments, struct err *err)
{
    void *field = (uint8_t *)arguments + row->offset;

    switch (row->kind) {
    case OPTION_FLAG:
        *(bool *)field = true;
        return 0;
    case OPTION_TEXT:
        return set_text(text, field, err);
    case OPTION_SIZE:
        return set_size(text, field, err);
    case OPTION_NUMBER:
        return set_number(text, field, err);
    case OPTION_NAMES:
        return lists_add_names(field, text, err);
    case OPTION_LIST:
        return row->parse ? row->parse(text, field, err) : lists_add_names(field, text, err);
    case OPTION_MAPS:
        return lists_add_map(field, text, err);
    case OPTION_PARSED:
        return row->parse(text, field, err);
    }
    return err_set(err, ERR_INTERNAL, "an option without a kind");
}

/* ---- arguments ------------------------------------------------------------- */

static bool is_option(const char *argument)
{
    return argument[0] == '-' && argument[1] != '\0';
}

/* The value of row: after the equals sign, or the next argument. */
static int take_value(struct reading *reading, const struct options_row *row, const char *equals,
                      const char **ret_text, struct err *err)
{
    const char *following = *reading->next;

    if (row->kind == OPTION_FLAG) {
        *ret_text = NULL;
        return equals ? err_set(err, ERR_USAGE, "option '--%s' takes no value", row->name) : 0;
    }
    if (equals) {
        *ret_text = equals + 1;
        return 0;
    }
    if (row->optional) {
        *ret_text = NULL;
        return 0;
    }
    if (following && !is_option(following)) {
        *ret_text = following;
        reading->next++;
        return 0;
    }
    if (row->kind == OPTION_NAMES && following && strcmp(following, "--") == 0) {
        *ret_text = NULL; /* the names come after the dashes */
        return 0;
    }
    err_set(err, ERR_USAGE, "option '--%s' needs a value: --%s %s", row->name, row->name,
            row->metavar);
    if (following && following[1] != '-')
        err_append(err, "one that begins with a dash is written --%s=%s", row->name, following);
    return -1;
}

static void note_given(struct reading *reading, const struct options_row *row, const char *text)
{
    struct options_given *given = (void *)(reading->arguments + reading->table->given);

    if (!reading->table->notes_given)
        return;
    given->values = mem_resize(given->values, given->count + 1, sizeof(*given->values));
    given->values[given->count++] = (struct options_value){row, text};
}

static int read_option(struct reading *reading, const char *argument, struct err *err)
{
    const char *name = argument + 2;
    const char *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    const char *text = NULL;

    if (argument[1] != '-')
        return err_set(err, ERR_USAGE, "unknown option '%s'; options begin with two dashes",
                       argument);
    const struct options_row *row = find_row(reading->table, name, len);
    if (!row)
        return unknown_option(reading->table, name, len, err);
    if (take_value(reading, row, equals, &text, err) < 0)
        return -1;
    if (text || row->kind == OPTION_FLAG || row->optional) {
        if (options_set(row, text, reading->arguments, err) < 0)
            return err_prefix(err, "option '--%s'", row->name);
        note_given(reading, row, text);
    }
    reading->given[row - reading->table->rows] = true;
    reading->open = row->kind == OPTION_NAMES ? row : NULL;
    return 0;
}

static const char names_option[] = "domain-names";

static int read_word(struct reading *reading, const char *argument, struct err *err)
{
    const struct options_row *words = reading->table->words;

    if (!reading->open && !words)
        return err_set(err, ERR_USAGE, "unexpected argument '%s'; %s", argument,
                       find_row(reading->table, names_option, strlen(names_option))
                           ? "guests are named with --domain-names"
                           : "see --help");
    if (!reading->open) {
        strings_add(argument_of(reading, words), argument);
        return 0;
    }
    if (lists_add_names(argument_of(reading, reading->open), argument, err) < 0)
        return err_prefix(err, "option '--%s'", reading->open->name);
    note_given(reading, reading->open, argument);
    return 0;
}

static int check_given(const struct reading *reading, struct err *err)
{
    for (size_t i = 0; i < reading->table->count; i++) {
        const struct options_row *row = &reading->table->rows[i];
        if (row->required && !reading->given[i])
            return err_set(err, ERR_USAGE, "--%s%s%s is required", row->name,
                           row->metavar ? " " : "", row->metavar ? row->metavar : "");
        if (reading->given[i] && row->kind == OPTION_NAMES &&
            ((struct strings *)argument_of(reading, row))->count == 0)
            return err_set(err, ERR_USAGE, "option '--%s' needs a value: --%s %s", row->name,
                           row->name, row->metavar);
    }
    const struct options_row *words = reading->table->words;
    if (words && words->required && ((struct strings *)argument_of(reading, words))->count == 0)
        return err_set(err, ERR_USAGE, "%s is missing; see --help", words->metavar);
    return 0;
}

int options_read(const struct options_table *table, const char *const *args, void *arguments,
                 bool *ret_help, struct err *err)
{
    CLEANUP_FREE bool *given = mem_array(table->count, sizeof(*given));
    struct reading reading = {.table = table, .next = args, .arguments = arguments, .given = given};
    bool words_only = false;

    *ret_help = false;
    while (*reading.next) {
        const char *argument = *reading.next++;
        int status = 0;
        if (words_only || !is_option(argument)) {
            status = read_word(&reading, argument, err);
        } else if (strcmp(argument, "--") == 0) {
            words_only = true;
        } else if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
            *ret_help = true;
            return 0;
        } else {
            status = read_option(&reading, argument, err);
        }
        if (status < 0)
            return -1;
    }
    return check_given(&reading, err);
}

void options_clear(const struct options_table *table, void *arguments)
{
    for (size_t i = 0; i < table->count; i++) {
        void *field = (uint8_t *)arguments + table->rows[i].offset;
        if (table->rows[i].kind == OPTION_NAMES || table->rows[i].kind == OPTION_LIST)
            strings_clear(field);
        else if (table->rows[i].kind == OPTION_MAPS)
            lists_clear_maps(field);
    }
    if (table->words)
        strings_clear((struct strings *)((uint8_t *)arguments + table->words->offset));
    if (table->notes_given) {
        struct options_given *given = (void *)((uint8_t *)arguments + table->given);
        free(given->values);
        *given = (struct options_given){0};
    }
}
