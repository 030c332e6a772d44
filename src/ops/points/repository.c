/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/points/repository.h"

#include <string.h>

#include "base/digest.h"
#include "ops/extras.h"
#include "ops/points/repository_impl.h"
#include "repository/keep/objects.h"
#include "repository/keep/marks.h"
#include "repository/listing.h"

struct repository_store {
    struct points_store base;
    struct repository *repository; /* owned */
    struct stored_scope scope;
    struct repository_guests guests; /* owned; as they were when they were last listed */
};

const char points_usual_scope[] = REPOSITORY_SCOPE;

static const struct repository_store *store_of(const struct points_store *store)
{
    return (const struct repository_store *)store;
}

int points_repository_open(const struct points_place *place, struct repository **ret,
                           struct stored_scope *ret_scope, struct err *err)
{
    const char *scope = place->scope ? place->scope : points_usual_scope;

    if (!name_is_scope(scope))
        return err_set(err, ERR_USAGE, "'%s' cannot be a scope: up to %d of a to z, 0 to 9 and '-'",
                       scope, LIMITS_SCOPE);
    if (repository_open(place->path, place->parser, ret, err) < 0)
        return -1;
    *ret_scope = (struct stored_scope){
        .store = (*ret)->store, .repository = (*ret)->id, .name = scope, .parser = (*ret)->parser};
    return 0;
}

void points_repository_look(const struct points_store *store, struct points_repository_view *ret)
{
    *ret = (struct points_repository_view){&store_of(store)->scope,
                                           store_of(store)->repository->id_salt};
}

/* ---- the store ----------------------------------------------------------------------------- */

static void close_repository_store(struct points_store *base)
{
    struct repository_store *store = (struct repository_store *)base;

    points_repository_guests_clear(&store->guests);
    repository_close(store->repository);
    free((char *)store->scope.name);
    free(store);
}

/* To list them a part of a point of each is read. */
static int read_guests(struct repository_store *store, struct err *err)
{
    points_repository_guests_clear(&store->guests);
    return points_repository_guests(&store->scope, &store->guests, err);
}

static int list_repository_guests(struct points_store *base, struct strings *ret, struct err *err)
{
    struct repository_store *store = (struct repository_store *)base;

    if (read_guests(store, err) < 0)
        return -1;
    for (size_t i = 0; i < store->guests.count; i++)
        if (!store->guests.all[i].trashed)
            strings_add(ret, store->guests.all[i].name);
    return 0;
}

static void list_trashed_guests(const struct points_store *base, struct strings *ret)
{
    const struct repository_store *store = store_of(base);

    for (size_t i = 0; i < store->guests.count; i++)
        if (store->guests.all[i].trashed)
            strings_add(ret, store->guests.all[i].name);
}

static char *repository_guest_uuid(const struct points_store *base, const char *guest)
{
    char uuid[ID_UUID_SIZE];
    struct id id;

    return points_repository_find_guest(&store_of(base)->guests, guest, &id)
               ? mem_strdup(id_uuid(&id, uuid))
               : NULL;
}

/* What nobody refers to any more is for the collector. */
static int list_no_orphans(struct points_store *store, struct strings *ret, struct err *err)
{
    (void)store;
    (void)ret;
    (void)err;
    return 0;
}

int points_repository_guest_id(struct points_store *base, const char *name, struct id *ret,
                               struct err *err)
{
    struct repository_store *store = (struct repository_store *)base;

    if (points_repository_find_guest(&store->guests, name, ret))
        return 0;
    if (read_guests(store, err) < 0)
        return -1;
    if (points_repository_find_guest(&store->guests, name, ret))
        return 0;
    return err_set(err, ERR_NOT_FOUND, "%s has no guest '%s'", base->title, name);
}

static int list_repository_points(struct points_store *store, const char *guest,
                                  struct points_list *ret, struct err *err)
{
    struct id id;

    return points_repository_guest_id(store, guest, &id, err) < 0
               ? -1
               : points_repository_list(&store_of(store)->scope, &id, ret, err);
}

/* ---- a point ------------------------------------------------------------------------------- */

static void close_repository_point(struct point *base)
{
    struct repository_point *point = (struct repository_point *)base;

    manifest_free(point->manifest);
    stored_point_free(point->stored);
    free(point->looked_at);
    free(point);
}

const struct small_item *points_repository_small(const struct stored_point *stored, uint32_t kind)
{
    for (size_t i = 0; i < stored->small.count; i++)
        if ((uint32_t)stored->small.items[i].kind == kind)
            return &stored->small.items[i];
    return NULL;
}

/* The content digest of the memory does not cover what comes before it. */
static int check_save_header(const struct stored_point *point, const struct manifest_stored *memory,
                             struct err *err)
{
    const struct small_item *header = points_repository_small(point, ITEM_SAVE_HEADER);
    uint8_t sha256[DIGEST_SIZE];

    if (header)
        digest_of(header->data, header->len, sha256);
    if ((header != NULL) == memory->has_header &&
        (!header || memcmp(sha256, memory->header, DIGEST_SIZE) == 0))
        return 0;
    return err_set(err, ERR_CORRUPT,
                   "its manifest was written for a save image with another header");
}

/* The manifest speaks of what is in the point, and of all of it. */
static int check_stored_item(const struct stored_point *point, const struct manifest_stored *stored,
                             struct err *err)
{
    if (stored->place == PLACE_FILE)
        return err_set(err, ERR_CORRUPT, "its manifest is one of an archive");
    if (stored->place == PLACE_SMALL) {
        const struct small_item *item = points_repository_small(point, stored->number);
        if (!item || item->len != stored->image.raw_size)
            return err_set(err, ERR_CORRUPT,
                           "its manifest names a small item that it does not have");
        return 0;
    }
    const struct stored_image *image = stored_point_image(point, stored->number);
    if (!image || image->size != stored->image.raw_size)
        return err_set(err, ERR_CORRUPT, "its manifest names an image that it does not have");
    return stored->number == MANIFEST_MAP_MEMORY ? check_save_header(point, stored, err) : 0;
}

static int check_point_manifest(const struct stored_point *point, const struct manifest *manifest,
                                struct err *err)
{
    const struct manifest_stored *stored;
    struct id guest;
    size_t cursor = 0;

    if (!id_parse_uuid(manifest->domain_uuid, &guest) || id_compare(&guest, &point->id.guest) != 0)
        return err_set(err, ERR_CORRUPT, "its manifest is that of another guest");
    while ((stored = manifest_next_stored(manifest, &cursor)))
        if (check_stored_item(point, stored, err) < 0)
            return -1;
    if (manifest->disk_count + (manifest->memory ? 1 : 0) != point->image_count)
        return err_set(err, ERR_CORRUPT, "it has images that its manifest does not name");
    for (size_t i = 0; i < manifest->disk_count; i++)
        if (strcmp(manifest->disks[i].target, point->info.disks[i].target) != 0)
            return err_set(err, ERR_CORRUPT, "its manifest and its INFO name other disks");
    return 0;
}

int points_repository_manifest(const struct stored_point *point, const struct parser *parser,
                               struct manifest **ret, struct err *err)
{
    CLEANUP(manifest_freep) struct manifest *manifest = NULL;

    const struct xml_text text = {(const char *)point->manifest.data, point->manifest.len, parser,
                                  true};
    CLEANUP_ERR struct err why = ERR_INIT;
    if (manifest_read(&text, &manifest, &why) < 0) {
        /* The point is there: what is not is damage. */
        if (why.kind == ERR_NOT_FOUND)
            why.kind = ERR_CORRUPT;
        err_move(err, &why);
        return err_prefix(err, "its manifest");
    }
    if (check_point_manifest(point, manifest, err) < 0)
        return -1;
    *ret = TAKE_PTR(manifest);
    return 0;
}

static int read_point(struct points_store *store, const struct point_id *id,
                      struct repository_point *point, struct err *err)
{
    if (stored_point_read(&store_of(store)->scope, id, &point->stored, err) < 0)
        return -1;
    if (point->stored->flags & FLAG_PARTIAL)
        return err_set(
            err, ERR_UNSUPPORTED,
            "it is of a backup that was not completed; choose another one, or back the guest up "
            "again, which goes on with what is stored");
    return points_repository_manifest(point->stored, store_of(store)->scope.parser,
                                      &point->manifest, err);
}

static int open_repository_point(struct points_store *store, const char *guest, const char *text,
                                 struct point **ret, struct err *err)
{
    struct repository_point *point = mem_alloc(sizeof(*point));
    CLEANUP(points_closep) struct point *base = &point->base;
    CLEANUP_FREE char *latest = NULL;
    struct point_id id;

    base->store = store;
    if (points_repository_guest_id(store, guest, &id.guest, err) < 0 ||
        (!text && points_find_latest(store, guest, &latest, err) < 0))
        return -1;
    text = latest ? latest : text;
    if (strlen(text) != ID_TEXT_SIZE - 1 || !id_parse(text, &id.session))
        return err_set(err, ERR_NOT_FOUND, "%s: guest '%s' has no point '%s'", store->place, guest,
                       text);
    (void)id_text(&id.session, point->id_text);
    if (read_point(store, &id, point, err) < 0)
        return err_prefix(err, "%s: point %s", store->place, point->id_text);
    base->manifest = point->manifest;
    base->id = point->id_text;
    point->looked_at = mem_alloc(point->stored->packs.count + 1);
    *ret = TAKE_PTR(base);
    return 0;
}

static bool repository_point_is_current(const struct point *base)
{
    const struct repository_point *point = repository_point_of(base);
    CLEANUP_LISTING struct listing listing = {0};

    if (listing_read(&store_of(base->store)->scope, &point->stored->id.guest, NULL, &listing,
                     NULL) < 0)
        return true; /* as far as is known */
    for (size_t i = 0; i < listing.count; i++)
        if (id_compare(&listing.points[i].id.session, &point->stored->id.session) == 0)
            return !listing.points[i].tombstone && !listing.points[i].trashed;
    return false;
}

static char *name_stored(const struct point *base, const struct manifest_stored *stored)
{
    const struct manifest *manifest = base->manifest;

    if (stored->place == PLACE_SMALL)
        return mem_strdup(extras_kind_text((enum manifest_extra_kind)(stored->number - 1)));
    if (stored->number == MANIFEST_MAP_MEMORY)
        return mem_strdup("memory");
    return mem_printf("disk '%s'", manifest->disks[stored->number].target);
}

static char *repository_item_text(const struct point *base, const struct manifest_stored *stored)
{
    CLEANUP_FREE char *name = name_stored(base, stored);

    return mem_printf("%s: point %s: %s", base->store->place, base->id, name);
}

/* Whether the pack is there and as long as the point knows it. */
static int look_at_pack(const struct repository_point *point, uint32_t place, struct err *err)
{
    const struct stored_scope *scope = &store_of(point->base.store)->scope;
    const struct pack_id pack = stored_point_pack(point->stored, place);
    const struct name name = {.kind = NAME_PACK, .session = pack.session, .number = pack.number};
    uint8_t last[2];
    struct store_range range = {.data = last, .cap = sizeof(last)};
    size_t len = 0;

    if (point->looked_at[place])
        return 0;
    struct name whole = name;
    snprintf(whole.scope, sizeof(whole.scope), "%s", scope->name);
    CLEANUP_FREE char *text = name_format(&whole);
    range.name = text;
    range.offset = point->stored->digests[place].size - 1;
    if (store_get(scope->store, &range, &len, err) < 0)
        return -1;
    if (len != 1)
        return err_set(err, ERR_CORRUPT, "%s: does not have its length", text);
    point->looked_at[place] = 1;
    return 0;
}

/* What this many blocks of a pack take of it, if all take the same. */
static uint64_t share_of_pack(const struct pack_digest *pack, uint64_t blocks)
{
    return pack->block_count ? blocks * (pack->index_offset - PACK_HEAD_SIZE) / pack->block_count
                             : 0;
}

static int repository_item_usage(const struct point *base, const struct manifest_stored *stored,
                                 uint64_t *ret, struct err *err)
{
    const struct repository_point *point = repository_point_of(base);
    struct map_reader reader;
    struct map_run run;

    *ret = 0;
    if (stored->place == PLACE_SMALL) {
        *ret = stored->image.raw_size;
        return 0;
    }
    const struct stored_image *image = stored_point_image(point->stored, stored->number);
    stored_point_walk(point->stored, image, &reader);
    while (map_reader_next(&reader, &run, NULL) > 0) {
        if (look_at_pack(point, run.pack, err) < 0) {
            CLEANUP_FREE char *where = repository_item_text(base, stored);
            return err_prefix(err, "%s", where);
        }
        *ret += share_of_pack(&point->stored->digests[run.pack], run.count);
    }
    return 0;
}

/* ---- the table ------------------------------------------------------------------------------ */

static int read_repository_small(const struct point *base, const struct manifest_stored *stored,
                                 uint8_t **ret, struct err *err)
{
    const struct small_item *item =
        points_repository_small(repository_point_of(base)->stored, stored->number);

    (void)err;
    *ret = mem_alloc(item->len + 1);
    memcpy(*ret, item->data, item->len);
    return 0;
}

/* ---- holds --------------------------------------------------------------------------------- */

static int find_held(struct points_store *store, const char *guest, const char *text,
                     struct point_id *ret, struct err *err)
{
    if (points_repository_guest_id(store, guest, &ret->guest, err) < 0)
        return -1;
    return id_parse(text, &ret->session) ? 0 : err_set(err, ERR_USAGE, "'%s' is no id", text);
}

static int hold_repository_point(struct points_store *store, const char *guest, const char *text,
                                 const char *by, bool *ret_made, struct err *err)
{
    const struct mark mark = {.by = by, .reason = MARKS_RESTORE};
    struct point_id id;

    return find_held(store, guest, text, &id, err) < 0
               ? -1
               : marks_hold(&store_of(store)->scope, &id, &mark, ret_made, err);
}

static int release_repository_point(struct points_store *store, const char *guest, const char *text,
                                    struct err *err)
{
    struct point_id id;

    return find_held(store, guest, text, &id, err) < 0
               ? -1
               : marks_release_restore(&store_of(store)->scope, &id, err);
}

static const struct points_store_ops repository_store_ops = {
    .guests = list_repository_guests,
    .trashed_guests = list_trashed_guests,
    .guest_uuid = repository_guest_uuid,
    .orphans = list_no_orphans,
    .list = list_repository_points,
    .open = open_repository_point,
    .hold = hold_repository_point,
    .release = release_repository_point,
    .is_current = repository_point_is_current,
    .item_text = repository_item_text,
    .item_usage = repository_item_usage,
    .read_head = points_repository_read_head,
    .open_image = points_repository_open_image,
    .read_small = read_repository_small,
    .close_image = points_repository_close_image,
    .close_point = close_repository_point,
    .close = close_repository_store,
};

int points_repository_open_store(const struct points_place *place, struct points_store **ret,
                                 struct err *err)
{
    CLEANUP(repository_closep) struct repository *repository = NULL;
    struct stored_scope scope;

    if (points_repository_open(place, &repository, &scope, err) < 0 ||
        repository_need_scope(repository, scope.name, err) < 0)
        return -1;
    struct repository_store *store = mem_alloc(sizeof(*store));
    store->base.ops = &repository_store_ops;
    store->base.place = mem_strdup(place->path);
    store->base.title = mem_printf("scope '%s' of repository %s", scope.name, place->path);
    store->base.has_many = true;
    store->repository = TAKE_PTR(repository);
    store->scope = scope;
    store->scope.name = mem_strdup(scope.name);
    *ret = &store->base;
    return 0;
}
