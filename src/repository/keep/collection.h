/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A collection at work, for the files of repository/keep/collect.c, which have its steps: C1 to C10
 * in virt-backup-repository(5). A step that finds out that the collection cannot go on, although
 * nothing has failed, sets `stopped`.
 */
#pragma once

#include "repository/keep/collect.h"
#include "repository/keep/pack_set.h"
#include "repository/keep/trash.h"

struct collection_slot {
    struct point_id point;
    bool tombstone;
    bool out; /* not of the points to be removed any more */
};

struct collection_slots {
    struct collection_slot *items; /* owned; by point */
    size_t count;
    size_t cap;
};

/* A session that may refer to what is to be removed, until its slot is filled. Times by the clock of
 * this host. */
struct collection_wait {
    struct point_id point;
    int64_t first_ms; /* look at it; 0: none yet */
    int64_t since_ms; /* it has had as many packs as now */
    uint32_t packs;
};

struct collection_waits {
    struct collection_wait *items; /* owned */
    size_t count;
};

struct collection {
    const struct repository *repository;
    const struct collect_settings *settings;
    const struct collect_events *events;
    struct collect_result *result;
    struct stored_scope scope;
    bool reserve_used;
    const char *stopped; /* why */
    /* What the state file has. */
    int64_t begun_ms; /* by the clock of the store */
    char token[NAME_RANDOM_SIZE];
    struct collection_slots taken;  /* T: points to be removed */
    struct collection_slots listed; /* L1: slots that were filled */
    struct collection_waits waits;  /* S */
    struct pack_set
        candidates; /* C: packs that no point refers to, and those of sessions under way */
};

void collection_clear(struct collection *work);
#define CLEANUP_COLLECTION CLEANUP(collection_clear)

void collection_tell(const struct collection *work, enum collect_event_kind kind,
                     const struct point_id *point, int64_t time_ms, const char *text);
/* Creates an object, and gives up the reserve for it if the store is full. */
int collection_create(struct collection *work, const struct store_object *object,
                      enum store_outcome *ret, struct err *err);
int collection_make_room(struct collection *work, struct err *failure);
/* Whether the token of this run is still there: if not, the repository was set back. */
int collection_check_token(struct collection *work, struct err *err);

void collection_slots_add(struct collection_slots *slots, const struct point_id *point,
                          bool tombstone);
void collection_slots_sort(struct collection_slots *slots);
struct collection_slot *collection_slots_find(const struct collection_slots *slots,
                                              const struct point_id *point);
/* All names under "p/". */
int collection_list_slots(struct collection *work, struct collection_slots *ret, struct err *err);
/* Moves the error of reading a slot to err, with what to do about it. */
int collection_explain_unreadable(const struct collection *work, struct err *failure,
                                  struct err *err);
/* The packs of a point are referred to: they leave the candidates. *ret_kind: what is in the slot,
 * 0 if nothing is. */
int collection_spare_packs(struct collection *work, const struct point_id *point,
                           enum slot_kind *ret_kind, struct err *err);

/* collect_memory.c: whether the first look, or a state file of this size, fits into the limit of
 * memory. Unsupported: it does not. */
int collect_expect_look(struct collection *work, struct err *err);
int collect_expect_state(struct collection *work, uint64_t size, struct err *err);

/* collect_look.c: C1 to C5. With dry_run C1 to C4, without any write. */
int collect_look(struct collection *work, struct err *err);
/* The time by the clock of this host. */
int64_t collect_wait_now_ms(void);
/* collect_wait.c: C6. Returns with work->waits empty if the collection can go on. */
int collect_wait(struct collection *work, struct err *err);
/* collect_remove.c: C7 to C9. */
int collect_remove(struct collection *work, struct err *err);
/* collect_tidy.c: C10. */
int collect_tidy(struct collection *work, struct err *err);

/* collection_state.c: names in the state directory ("KIND-REPOSITORY-SCOPE"); the caller frees. */
char *collection_file_name(const struct collection *work, const char *kind);
int collection_save(const struct collection *work, struct err *err);
/* *ret is false if no collection was kept. Corrupt: the file is damaged. */
int collection_load(struct collection *work, bool *ret, struct err *err);
int collection_forget(const struct collection *work, struct err *err);
