/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Points of a repository are parsed in a process of their own, as indexes of compressed files are.
 */
#pragma once

#include "ops/children.h"
#include "repository/stored_scope.h"

/* Borrows children. */
struct stored_parser points_repository_parser(const struct children *children);
