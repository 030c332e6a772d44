/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The manifest's elements as tables: which attribute holds which member of which
 * struct. Writing and reading go by the same rows, so that neither knows an
 * attribute that the other does not. For the manifest_*.c files only.
 */
#pragma once

#include <stddef.h>

#include "record/manifest.h"
#include "base/err.h"
#include "base/xml.h"

/* One row for each element. The object is the struct that the members lie in. */
struct manifest_element {
    const char *name;
    const struct manifest_field *fields;
    size_t field_count;
};

extern const struct manifest_element manifest_fields_backup;       /* struct manifest */
extern const struct manifest_element manifest_fields_hypervisor;   /* struct manifest */
extern const struct manifest_element manifest_fields_domain;       /* struct manifest */
extern const struct manifest_element manifest_fields_consistency;  /* struct manifest */
extern const struct manifest_element manifest_fields_disk;         /* struct manifest_disk */
extern const struct manifest_element manifest_fields_disk_source;  /* struct manifest_disk */
extern const struct manifest_element manifest_fields_owner;        /* struct manifest_owner */
extern const struct manifest_element manifest_fields_option;       /* struct manifest_option */
extern const struct manifest_element manifest_fields_memory;       /* no attributes */
extern const struct manifest_element manifest_fields_extra;        /* struct manifest_extra */
extern const struct manifest_element manifest_fields_extra_source; /* struct manifest_extra */
extern const struct manifest_element manifest_fields_left_out;     /* struct manifest_left_out */
extern const struct manifest_element manifest_fields_live;         /* no attributes */

/* struct manifest_stored, for one that is in this place; NULL: there is no such place. */
const struct manifest_element *manifest_fields_stored(enum manifest_place place);
/* The place that the attributes of a <stored> speak of. */
enum manifest_place manifest_fields_place(struct xml_node *node);

/* Sets the attributes of node, all that the newest format has. Text that XML cannot carry: unsupported. */
int manifest_fields_write(struct xml_node *node, const struct manifest_element *element,
                          const void *object, struct err *err);
/* Fills the object with what this version of the format has. Its text members must be NULL before and are the object's
 * even on failure. A missing or unknown attribute, or a value that is not
 * written as we write it: corrupt. */
int manifest_fields_read(struct xml_node *node, const struct manifest_element *element,
                         unsigned version, void *object, struct err *err);
