/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Internal to intent*.c.
 */
#pragma once

#include "base/json.h"
#include "ops/undo/intent.h"

/* ---- its fields: one table in intent.c ------------------------------------------------ */

enum intent_field_type {
    FIELD_FLAG,    /* bool */
    FIELD_NUMBER,  /* uint64_t; a journal without it is incomplete */
    FIELD_TEXT,    /* char *, which may be NULL */
    FIELD_LIST,    /* char **, directly followed by its count, a size_t: paths */
    FIELD_XMLS,    /* struct strings: XML */
    FIELD_NAMES,   /* struct strings: names */
    FIELD_FILES,   /* struct intent_file *, directly followed by its count, a size_t */
    FIELD_FORMERS, /* struct intent_former *, the same */
    FIELD_DISKS,   /* struct intent_disk *, the same */
};

struct intent_field {
    const char *name;
    enum intent_field_type type;
    size_t offset;
    bool counts; /* an important file: it is believed missing only from the right folder */
};

extern const struct intent_field intent_fields[];
extern const size_t intent_field_count;
void *intent_field_of(const struct intent *intent, const struct intent_field *field);

struct intent_files {
    struct intent_file *files;
    size_t count;
};
struct intent_formers {
    struct intent_former *formers;
    size_t count;
};
struct intent_disks {
    struct intent_disk *disks;
    size_t count;
};
/* The caller fills in the rest; the list owns it. */
struct intent_file *intent_list_add_file(struct intent_files *list, const char *path);
struct intent_former *intent_list_add_former(struct intent_formers *list, const char *path,
                                             const char *from);
struct intent_disk *intent_list_add_disk(struct intent_disks *list, const char *path);
void intent_list_clear_disks(struct intent_disks *list);

/* ---- the folders of its files ---------------------------------------------------------- */

/* Goes through the paths of all files that count: such a file is believed missing only if it is
 * missing from the right folder. */
void intent_each_path(struct intent *intent, void (*each)(struct intent *intent, const char *path));

/* Adds the folders of those files, as they are now. */
void intent_note_places(struct intent *intent);
struct json *intent_json_of_places(const struct intent *intent);
/* -1: not a list of places. */
int intent_read_places(const struct json *array, struct intent *intent);
