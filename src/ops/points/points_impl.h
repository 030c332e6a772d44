/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What an implementation of ops/points/points.h provides. Contracts are there; the functions have the same
 * names. tests/unit/ops/points_suite.h is to be passed by each.
 */
#pragma once

#include "ops/points/points.h"

struct points_store_ops {
    int (*guests)(struct points_store *store, struct strings *ret, struct err *err);
    void (*trashed_guests)(const struct points_store *store,
                           struct strings *ret); /* NULL: it has no trash */
    char *(*guest_uuid)(const struct points_store *store,
                        const char *guest); /* NULL: only its manifests have it */
    int (*orphans)(struct points_store *store, struct strings *ret, struct err *err);
    int (*list)(struct points_store *store, const char *guest, struct points_list *ret,
                struct err *err);
    int (*open)(struct points_store *store, const char *guest, const char *id, struct point **ret,
                struct err *err);
    int (*hold)(struct points_store *store, const char *guest, const char *id, const char *by,
                bool *ret_made, struct err *err); /* NULL: not has_many; so is the next one */
    int (*release)(struct points_store *store, const char *guest, const char *id, struct err *err);
    bool (*is_current)(const struct point *point);
    char *(*item_text)(const struct point *point, const struct manifest_stored *stored);
    int (*item_usage)(const struct point *point, const struct manifest_stored *stored,
                      uint64_t *ret, struct err *err);
    int (*read_head)(const struct point *point, struct points_head *ret, struct err *err);
    int (*open_image)(const struct point *point, const struct points_image_request *request,
                      struct points_image **ret, struct err *err);
    int (*read_small)(const struct point *point, const struct manifest_stored *stored,
                      uint8_t **ret, struct err *err);
    void (*close_image)(struct points_image *image); /* its head is freed by points.c */
    void (*close_point)(struct point *point);
    void (*close)(struct points_store *store); /* place and title are freed by points.c */
};

/* Each is the first member of the implementation's own struct. */
struct points_store {
    const struct points_store_ops *ops;
    char *place; /* owned, as title */
    char *title;
    const struct parser *parser; /* borrowed; set by points.c */
    bool has_many;
};

struct point {
    struct points_store *store;
    const struct manifest *manifest; /* both the implementation's */
    const char *id;
};

struct points_image {
    const struct points_store_ops *ops;
    struct chunk_source source;
    struct codec_spec codec;
    bool is_memory;
    struct points_head head; /* owned */
};

struct points_set_ops {
    char *(*lone_file_system)(const struct points_writer *writer);
    int (*find_copy)(const struct points_writer *writer, const char *uuid, const char *derived_from,
                     char **ret_id, struct err *err); /* NULL: it has one point of a guest */
    int (*remove)(struct points_writer *writer, const struct point *point, uint64_t wait_ms,
                  struct err *err);
    void (*close)(struct points_writer *writer); /* its place is freed by points.c */
    int (*begin)(struct points_writer *writer, const struct points_request *request,
                 struct points_set **ret, struct err *err);
    int (*expect)(struct points_set *set, const struct points_item *item, enum codec_type codec,
                  struct err *err);
    int (*show_life)(struct points_set *set, struct err *err); /* NULL: its locks do */
    int (*create_image)(struct points_set *set, const struct points_facts *facts,
                        struct chunk_source *source, struct chunk_sink *ret, struct err *err);
    int (*finish_image)(struct points_set *set, struct manifest_stored *ret, uint64_t *ret_usage,
                        struct err *err);
    int (*put_small)(struct points_set *set, enum manifest_extra_kind kind, const void *data,
                     size_t len, struct manifest_stored *ret, struct err *err);
    int (*commit)(struct points_set *set, const struct manifest *manifest, struct err *err);
    void (*drop)(struct points_set *set); /* points_abort */
    /* All NULL: nothing is kept of how a disk goes on. */
    const struct trust *(*base_trust)(const struct points_set *set, const char *target);
    bool (*witness)(const struct points_set *set, const char *target, size_t n,
                    uint64_t *ret_offset, size_t *ret_len);
    bool (*witness_fits)(const struct points_set *set, const char *target, size_t n,
                         const void *data);
    void (*keep_trust)(struct points_set *set, const char *target, const struct trust *trust);
};

struct points_writer {
    const struct points_set_ops *ops;
    char *place; /* owned */
};

struct points_set {
    struct points_writer *writer;
    const char *id;    /* the implementation's, as all; NULL: its store has one point of a guest */
    const char *owner; /* NULL: it keeps nothing of how a disk goes on */
    const char *base;
};
