/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What points_repository*.c share.
 */
#pragma once

#include "ops/points/points_impl.h"
#include "ops/points/repository.h"
#include "repository/repository.h"
#include "repository/stored_point.h"
#include "repository/stored_scope.h"

/* A guest of the scope, under the name that it is listed with. */
struct repository_guest {
    char *name; /* owned */
    struct id id;
    struct id newest; /* the session of the point that has its name */
    bool trashed;     /* all its points are in the trash */
};

struct repository_guests {
    struct repository_guest *all; /* owned; sorted by name */
    size_t count;
};

void points_repository_guests_clear(struct repository_guests *guests);
/* Those that have a point. */
int points_repository_guests(const struct stored_scope *scope, struct repository_guests *ret,
                             struct err *err);

/* The UUID of the guest that is listed with this name; false: none is. */
bool points_repository_find_guest(const struct repository_guests *guests, const char *name,
                                  struct id *ret);

/* The points of a guest. */
int points_repository_list(const struct stored_scope *scope, const struct id *guest,
                           struct points_list *ret, struct err *err);

struct repository_point {
    struct point base;
    char id_text[ID_TEXT_SIZE];
    struct stored_point *stored; /* owned, as all */
    struct manifest *manifest;
    uint8_t *looked_at; /* by place of the pack: 1 if it was found to be there */
};

static inline const struct repository_point *repository_point_of(const struct point *point)
{
    return (const struct repository_point *)point;
}

/* The same of a store, which lists its guests if need be. Not found: it has no such guest. */
int points_repository_guest_id(struct points_store *store, const char *name, struct id *ret,
                               struct err *err);

/* What INFO calls the point that another one is made from, by its id in its store. */
bool points_repository_origin(const char *derived_from, struct id *ret);
/* See points_writer_find_copy. */
int points_repository_find_copy(const struct stored_scope *scope, const char *uuid,
                                const char *derived_from, char **ret_id, struct err *err);
/* The manifest of a point that is not partial, which speaks of what is in the point, and of all of it.
 * The caller frees. It is read by a parser (NULL: this process) that has parsed nothing else. Errors do
 * not name the point. */
int points_repository_manifest(const struct stored_point *point, const struct parser *parser,
                               struct manifest **ret, struct err *err);

/* The small item of this kind; NULL: the point has no such item. */
const struct small_item *points_repository_small(const struct stored_point *stored, uint32_t kind);

/* For the table of the store, see ops/points/points_impl.h. */
int points_repository_read_head(const struct point *base, struct points_head *ret, struct err *err);
int points_repository_open_image(const struct point *base,
                                 const struct points_image_request *request,
                                 struct points_image **ret, struct err *err);
void points_repository_close_image(struct points_image *base);

/* What frames of this codec are decoded with, whatever levels they were made with. */
struct codec_spec points_repository_decoding(enum codec_type type, uint64_t chunk_size);

/* What a store of a repository has; borrowed. */
struct points_repository_view {
    const struct stored_scope *scope;
    const uint8_t *id_salt;
};
void points_repository_look(const struct points_store *store, struct points_repository_view *ret);

#define OWNER_TEXT_SIZE 17 /* guest/checkpoint.h, and a NUL */
/* For whom checkpoints of backups into this scope are made, see points_set_owner. */
void points_repository_owner(const struct stored_scope *scope, char ret[static OWNER_TEXT_SIZE]);

/* Opens a scope of the repository that is at this place. */
int points_repository_open(const struct points_place *place, struct repository **ret,
                           struct stored_scope *ret_scope, struct err *err);
