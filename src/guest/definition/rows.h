/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For check.c: the elements that ordinary guests contain, and the values that are checked.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "guest/definition/check.h"

/* One element, or several that are alike.
 *   path   from <domain> down, "" for <domain> itself; a part may be several names,
 *          "serial|console", or "*", any name
 *   attrs  its attributes, separated by spaces: "name" with any value, "name=a|b"
 *          with one of these, "name:check" with a value that the check of this name accepts
 *   text   its text, as values above: "=a|b", ":check"; NULL: any
 *   once   a second one in the same parent is a finding
 * Anything that is in no row is a finding. */
struct definition_row {
    const char *path;
    const char *attrs;
    const char *text;
    bool once;
};

extern const struct definition_row definition_rows_machine[]; /* ends with path NULL */
extern const struct definition_row definition_rows_devices[];

/* True if the check of this name accepts the value in node. An unknown name accepts nothing. */
bool definition_value_check(const char *check, const struct definition_host *host,
                            const struct xml_node *node, const char *value);
