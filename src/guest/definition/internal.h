/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Shared by the files of definition.h.
 */
#pragma once

#include <stdbool.h>

#include "base/xml.h"

/* True if node, which may be NULL, has the attribute with exactly this value. */
bool definition_attr_is(const struct xml_node *node, const char *name, const char *wanted);
