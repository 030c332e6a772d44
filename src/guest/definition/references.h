/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Shared by references.c and references_lines.c: the list that definition_references makes.
 */
#pragma once

#include "base/xml.h"
#include "guest/definition/definition.h"

struct references {
    struct reference *all;
    size_t count;
};

/* Adds copies, unless it is in the list already. What is NULL, empty or a relative path is left
 * out, and so is a file in a folder that libvirt makes for its guests. */
void definition_reference_add(struct references *references, enum reference_kind kind,
                              const char *name, const char *volume, const char *use);
/* The <source> (NULL: none) of a character device of this type: what it needs. */
void definition_line_add(struct references *references, const struct xml_node *source,
                         const char *type, const char *use);
/* What of the host's CPUs and memory the guest is tied to. */
void definition_host_add(struct references *references, const struct xml_node *root);
/* What this device needs if it is a character device, or has one for a backend. */
void definition_lines_add(struct references *references, const struct xml_node *device);
