/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What checks have found, as it is noted below "v/": packs that are bad, and when points were checked.
 */
#pragma once

#include "repository/format/pack.h"
#include "repository/format/small_object.h"
#include "repository/stored_point.h"

/* ---- bad packs -------------------------------------------------------------------------------- */

struct check_bad_pack {
    struct id session;
    uint32_t number;
    enum small_defect defect; /* DEFECT_DATA also if it cannot be read */
};

struct check_bad_packs {
    struct check_bad_pack *packs; /* owned */
    size_t count;
};

void check_bad_packs_clear(struct check_bad_packs *packs);
#define CLEANUP_CHECK_BAD_PACKS CLEANUP(check_bad_packs_clear)

int check_records_bad_packs(const struct stored_scope *scope, struct check_bad_packs *ret,
                            struct err *err);
/* Replaces what was noted of the pack. by: a host. */
int check_records_note_bad(const struct stored_scope *scope, const struct pack_id *pack,
                           enum small_defect defect, const char *by, struct err *err);
int check_records_note_mended(const struct stored_scope *scope, const struct pack_id *pack,
                              struct err *err);

/* ---- checks of points ------------------------------------------------------------------------- */

struct check_record {
    struct point_id point;
    enum small_level level;
    enum small_result result;
    int64_t when_ms; /* by the store's clock, since 1970 */
    bool ahead;      /* that is more than a day in the future: the clock was wrong */
    char *name;      /* owned: of the object */
};

struct check_records {
    struct check_record *records; /* owned; by point */
    size_t count;
};

void check_records_clear(struct check_records *records);
#define CLEANUP_CHECK_RECORDS CLEANUP(check_records_clear)

/* All of a guest, or of the scope (NULL). Those that cannot be read are passed over. */
int check_records_read(const struct stored_scope *scope, const struct id *guest,
                       struct check_records *ret, struct err *err);
/* When the point was last found good at this level or a higher one; 0: never. What is ahead tells no
 * time: of such a check only that something was bad counts below, until a later one has looked. */
int64_t check_records_last_good(const struct check_records *records, const struct point_id *point,
                                enum small_level level);

/* When it was last checked so, whatever was found; 0: never. */
int64_t check_records_last(const struct check_records *records, const struct point_id *point,
                           enum small_level level);

/* Whether it was good, or bad, the last time that it was checked, at whatever level. */
bool check_records_is_good(const struct check_records *records, const struct point_id *point);
bool check_records_is_bad(const struct check_records *records, const struct point_id *point);

/* Notes a check of the point. Older ones that tell nothing more are removed. */
int check_records_note(const struct stored_scope *scope, const struct point_id *point,
                       const struct small_object *verification, struct err *err);
