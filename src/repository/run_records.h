/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What has become of runs, as it is noted below "r/" for other hosts to see. For information only: no
 * point, no collection and no session depends on it, and whoever reads these records believes none of
 * it.
 */
#pragma once

#include "repository/format/small_object.h"
#include "repository/stored_scope.h"

/* Of each host and guest, so many of the newest stay. */
#define RUN_RECORDS_KEPT 8u

struct run_record {
    struct id guest;
    struct small_object object; /* SMALL_RESULT; owned; when_ms is by the store's clock */
};

struct run_records {
    struct run_record *all; /* owned; by guest, then by time: the newest of each is the last */
    size_t count;
};

void run_records_clear(struct run_records *records);
#define CLEANUP_RUN_RECORDS CLEANUP(run_records_clear)

/* Notes a result, of which when_ms is set here, and removes the older ones of that host and guest. Texts that are too long
 * are cut. Nothing is parsed. Not found: there is no repository, or it has no such scope. */
int run_records_add(struct store *store, const char *scope, const struct id *guest,
                    struct small_object *result, struct err *err);

/* All of the scope, or those of a guest. Those that are damaged, of a later format or gone are passed over. */
int run_records_read(const struct stored_scope *scope, const struct id *guest,
                     struct run_records *ret, struct err *err);
