/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/points/points.h"

#include "ops/points/archive.h"
#include "ops/points/points_impl.h"
#include "ops/points/repository.h"

/* The only functions that choose the kind of store. */
int points_store_open(const struct points_place *place, struct points_store **ret, struct err *err)
{
    if ((place->is_repository ? points_repository_open_store(place, ret, err)
                              : points_archive_open_store(place, ret, err)) < 0)
        return -1;
    (*ret)->parser = place->parser;
    return 0;
}

int points_writer_open(const struct points_place *place, struct points_writer **ret,
                       struct err *err)
{
    return place->is_repository ? points_repository_open_writer(place, ret, err)
                                : points_archive_open_writer(place, ret, err);
}

char *points_item_name(const struct points_place *place, const char *guest,
                       const struct points_item *item, enum codec_type codec, struct err *err)
{
    return place->is_repository ? NULL : points_archive_item_name(guest, item, codec, err);
}

uint64_t points_chunk_size(const struct points_place *place, enum codec_type codec)
{
    return place->is_repository ? points_repository_chunk_size(codec) : 0;
}

/* ---- reading ----------------------------------------------------------------------------- */

void points_store_close(struct points_store *store)
{
    if (!store)
        return;
    char *place = store->place;
    char *title = store->title;

    store->ops->close(store);
    free(place);
    free(title);
}

const char *points_store_place(const struct points_store *store)
{
    return store->place;
}

const char *points_store_title(const struct points_store *store)
{
    return store->title;
}

int points_store_guests(struct points_store *store, struct strings *ret, struct err *err)
{
    return store->ops->guests(store, ret, err);
}

void points_store_trashed_guests(const struct points_store *store, struct strings *ret)
{
    if (store->ops->trashed_guests)
        store->ops->trashed_guests(store, ret);
}

char *points_store_guest_uuid(const struct points_store *store, const char *guest)
{
    return store->ops->guest_uuid ? store->ops->guest_uuid(store, guest) : NULL;
}

int points_store_orphans(struct points_store *store, struct strings *ret, struct err *err)
{
    return store->ops->orphans(store, ret, err);
}

bool points_store_has_many(const struct points_store *store)
{
    return store->has_many;
}

/* ---- which points ---------------------------------------------------------------------- */

static void clear_entry(struct points_entry *entry)
{
    free(entry->id);
    free(entry->problem);
    free(entry->held_by);
    free(entry->held_why);
    free(entry->host);
    strings_clear(&entry->tags);
}

void points_list_clear(struct points_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        clear_entry(&list->all[i]);
    free(list->all);
    *list = (struct points_list){0};
}

static unsigned shared_digits(const char *a, const char *b)
{
    unsigned count = 0;

    while (a[count] && a[count] == b[count])
        count++;
    return count;
}

/* Ids need not be in order. */
static void count_digits(struct points_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        list->all[i].id_digits = POINTS_ID_DIGITS;
    for (size_t i = 0; i < list->count; i++)
        for (size_t j = 0; j < list->count; j++) {
            unsigned needed = shared_digits(list->all[i].id, list->all[j].id) + 1;
            if (i != j && needed > list->all[i].id_digits)
                list->all[i].id_digits = needed;
        }
}

int points_list(struct points_store *store, const char *guest, struct points_list *ret,
                struct err *err)
{
    if (store->ops->list(store, guest, ret, err) < 0)
        return -1;
    count_digits(ret);
    return 0;
}

/* ---- one point ------------------------------------------------------------------------- */

int points_open(struct points_store *store, const char *guest, const char *id, struct point **ret,
                struct err *err)
{
    return store->ops->open(store, guest, id, ret, err);
}

void points_close(struct point *point)
{
    if (point)
        point->store->ops->close_point(point);
}

const struct manifest *points_manifest(const struct point *point)
{
    return point->manifest;
}

const char *points_id(const struct point *point)
{
    return point->id;
}

const char *points_place(const struct point *point)
{
    return point->store->place;
}

bool points_is_current(const struct point *point)
{
    return point->store->ops->is_current(point);
}

char *points_item_text(const struct point *point, const struct manifest_stored *stored)
{
    return point->store->ops->item_text(point, stored);
}

int points_item_usage(const struct point *point, const struct manifest_stored *stored,
                      uint64_t *ret, struct err *err)
{
    return point->store->ops->item_usage(point, stored, ret, err);
}

void points_head_clear(struct points_head *head)
{
    sav_clear(&head->sav);
    head->known = false;
}

int points_hold(struct points_store *store, const char *guest, const char *id, const char *by,
                bool *ret_made, struct err *err)
{
    return store->ops->hold(store, guest, id, by, ret_made, err);
}

int points_release(struct points_store *store, const char *guest, const char *id, struct err *err)
{
    return store->ops->release(store, guest, id, err);
}

const struct parser *points_parser(const struct point *point)
{
    return point->store->parser;
}

int points_read_head(const struct point *point, struct points_head *ret, struct err *err)
{
    return point->store->ops->read_head(point, ret, err);
}

int points_open_image(const struct point *point, const struct points_image_request *request,
                      struct points_image **ret, struct err *err)
{
    return point->store->ops->open_image(point, request, ret, err);
}

void points_close_image(struct points_image *image)
{
    if (!image)
        return;
    points_head_clear(&image->head);
    image->ops->close_image(image);
}

struct chunk_source points_image_source(struct points_image *image)
{
    return image->source;
}

struct codec_spec points_image_codec(const struct points_image *image)
{
    return image->codec;
}

const struct points_head *points_image_head(const struct points_image *image)
{
    return image->is_memory ? &image->head : NULL;
}

int points_read_small(const struct point *point, const struct manifest_stored *stored,
                      uint8_t **ret, struct err *err)
{
    return point->store->ops->read_small(point, stored, ret, err);
}

/* ---- writing ----------------------------------------------------------------------------- */

void points_writer_close(struct points_writer *writer)
{
    if (!writer)
        return;
    char *place = writer->place;

    writer->ops->close(writer);
    free(place);
}

int points_remove(struct points_writer *writer, const struct point *point, uint64_t wait_ms,
                  struct err *err)
{
    return writer->ops->remove(writer, point, wait_ms, err);
}

const char *points_writer_place(const struct points_writer *writer)
{
    return writer->place;
}

char *points_writer_lone_file_system(const struct points_writer *writer)
{
    return writer->ops->lone_file_system(writer);
}

int points_writer_find_copy(const struct points_writer *writer, const char *uuid,
                            const char *derived_from, char **ret_id, struct err *err)
{
    *ret_id = NULL;
    return writer->ops->find_copy ? writer->ops->find_copy(writer, uuid, derived_from, ret_id, err)
                                  : 0;
}

int points_begin(struct points_writer *writer, const struct points_request *request,
                 struct points_set **ret, struct err *err)
{
    return writer->ops->begin(writer, request, ret, err);
}

const char *points_set_id(const struct points_set *set)
{
    return set->id;
}

const char *points_set_owner(const struct points_set *set)
{
    return set->owner;
}

const char *points_set_base(const struct points_set *set)
{
    return set->base;
}

const struct trust *points_base_trust(const struct points_set *set, const char *target)
{
    return set->owner ? set->writer->ops->base_trust(set, target) : NULL;
}

bool points_witness(const struct points_set *set, const char *target, size_t n,
                    uint64_t *ret_offset, size_t *ret_len)
{
    return set->writer->ops->witness(set, target, n, ret_offset, ret_len);
}

bool points_witness_fits(const struct points_set *set, const char *target, size_t n,
                         const void *data)
{
    return set->writer->ops->witness_fits(set, target, n, data);
}

void points_keep_trust(struct points_set *set, const char *target, const struct trust *trust)
{
    set->writer->ops->keep_trust(set, target, trust);
}

int points_expect(struct points_set *set, const struct points_item *item, enum codec_type codec,
                  struct err *err)
{
    return set->writer->ops->expect(set, item, codec, err);
}

int points_show_life(struct points_set *set, struct err *err)
{
    return set->writer->ops->show_life ? set->writer->ops->show_life(set, err) : 0;
}

int points_create_image(struct points_set *set, const struct points_facts *facts,
                        struct chunk_source *source, struct chunk_sink *ret, struct err *err)
{
    return set->writer->ops->create_image(set, facts, source, ret, err);
}

int points_finish_image(struct points_set *set, struct manifest_stored *ret, uint64_t *ret_usage,
                        struct err *err)
{
    return set->writer->ops->finish_image(set, ret, ret_usage, err);
}

int points_put_small(struct points_set *set, enum manifest_extra_kind kind, const void *data,
                     size_t len, struct manifest_stored *ret, struct err *err)
{
    return set->writer->ops->put_small(set, kind, data, len, ret, err);
}

int points_commit(struct points_set *set, const struct manifest *manifest, struct err *err)
{
    return set->writer->ops->commit(set, manifest, err);
}

void points_abort(struct points_set *set)
{
    if (set)
        set->writer->ops->drop(set);
}
