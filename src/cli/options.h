/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Options are rows of a constant table, one table per verb. The command line is
 * read, and --help is written, from these rows.
 *
 *   --name value, --name=value     in any order; of a repeated option the last
 *                                  value counts, but NAMES, LIST and MAPS add up
 *   --names a,b c --names d        every further argument up to the next option
 *                                  is a list of names too
 *   --list a,b --list c            takes no further arguments
 *   WORD                           any other argument is one of the verb's words,
 *                                  if it has some; commas mean nothing in them
 *   --                             no options follow: only names, if a list of
 *                                  names comes before it, or words
 *   --help, -h                     accepted with every table
 *
 * An argument that begins with a dash is an option; a value that begins with one
 * must be written after the equals sign.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum options_kind {
    OPTION_FLAG,   /* bool */
    OPTION_TEXT,   /* const char *, borrowed from the command line; not empty */
    OPTION_SIZE,   /* uint64_t, bytes; not zero */
    OPTION_NUMBER, /* unsigned, 1 to OPTIONS_MAX_NUMBER */
    OPTION_NAMES,  /* struct strings */
    OPTION_LIST, /* struct strings, of an option that takes no further arguments; `parse`, if there
                    * is one, adds to it */
    OPTION_MAPS, /* struct lists_maps */
    OPTION_PARSED, /* what `parse` makes of the text */
};

#define OPTIONS_MAX_NUMBER 65536

struct options_row {
    const char *name; /* without its dashes */
    enum options_kind kind;
    const char *metavar; /* NULL: a flag */
    const char *help;    /* one line */
    size_t offset;       /* of the field in the verb's arguments */
    bool required;
    bool optional; /* OPTION_PARSED: the value may be left out (`parse` gets NULL), and is given
                    * only after an equals sign */
    int (*parse)(const char *text, void *ret_field, struct err *err);
};

/* What a command line gave, in its order. */
struct options_value {
    const struct options_row *row;
    const char
        *text; /* borrowed from the command line; NULL: a flag, or a value that was left out */
};
struct options_given {
    struct options_value *values;
    size_t count;
};

struct options_table {
    const struct options_row *rows;
    size_t count;
    /* What arguments that belong to no option are: a row with metavar, help and offset, of struct
     * strings; NULL: they are refused. */
    const struct options_row *words;
    bool notes_given;
    size_t given; /* if so: offset of a struct options_given */
};

/* Reads args (up to the terminating NULL) into the fields of *arguments; other fields are not
 * touched. When --help is found, reading stops and *ret_help is true. All failures are usage errors
 * that name the option. */
int options_read(const struct options_table *table, const char *const *args, void *arguments,
                 bool *ret_help, struct err *err);
/* NULL: the table has no option of this name. */
const struct options_row *options_find(const struct options_table *table, const char *name);
/* The option whose name is most like this; NULL: none is. Borrowed from the table. */
const char *options_nearest(const struct options_table *table, const char *name);
/* Sets the field of one option as options_read does. The error (usage) does not name the option. */
int options_set(const struct options_row *row, const char *text, void *arguments, struct err *err);
/* Whether values of this kind add up. */
bool options_add_up(const struct options_row *row);
/* Frees the lists in *arguments; call it after a failed options_read too. */
void options_clear(const struct options_table *table, void *arguments);
