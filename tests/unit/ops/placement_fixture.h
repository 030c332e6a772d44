/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A backup of the guest web, with three disks and NVRAM, and an empty folder to restore it to.
 */
#pragma once

#include "ops/restore/placement.h"

struct fixture {
    char folder[64];
    struct manifest *manifest;
    struct claims claims;
};

/* domain: the guest's XML. */
int placement_fixture_setup(void **state, const char *domain);
int placement_fixture_teardown(void **state);

int place(struct fixture *fixture, const struct restore_options *options, struct placement *ret,
          struct err *err);
/* The same of a guest with another name in the archive. */
int place_as(struct fixture *fixture, const char *name, const struct restore_options *options,
             struct placement *ret, struct err *err);
/* The path is that of this name in the folder. */
void assert_place(const struct fixture *fixture, const char *path, const char *name);
