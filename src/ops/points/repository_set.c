/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/log.h"
#include "base/digest.h"
#include "base/quit.h"
#include "base/when.h"
#include "guest/checkpoint.h"
#include "ops/points/repository_impl.h"
#include "repository/guest_lookup.h"
#include "repository/keep/marks.h"
#include "repository/point_writer.h"
#include "repository/session.h"
#include "repository/witnesses.h"

struct repository_place {
    struct points_writer base;
    struct repository *repository; /* owned */
    struct stored_scope scope;
};

/* One image at a time. */
struct repository_set {
    struct points_set base;
    struct session *session; /* owned, as all */
    struct point_writer *writer;
    char id_text[ID_TEXT_SIZE];
    char *guest;
    struct info info;
    struct point_plugs plugs;
    struct points_facts facts; /* of the image that is written; borrows nothing that is used */
    struct chunk_source source;
    struct buf small[SMALL_ITEMS_MAX]; /* by kind - 1 */
    bool has_small[SMALL_ITEMS_MAX];
    char owner[OWNER_TEXT_SIZE];
    char base_text[ID_TEXT_SIZE];
    struct trust *trusts; /* owned; of each disk, without a checkpoint if nothing is kept of it */
    size_t trust_count;
};

static const struct repository_place *repository_place_of(const struct points_writer *writer)
{
    return (const struct repository_place *)writer;
}

static struct repository_set *repository_set_of(struct points_set *set)
{
    return (struct repository_set *)set;
}

uint64_t points_repository_chunk_size(enum codec_type codec)
{
    return point_writer_chunk_size(codec);
}

/* ---- the place ----------------------------------------------------------------------------- */

static void close_repository_place(struct points_writer *base)
{
    struct repository_place *place = (struct repository_place *)base;

    repository_close(place->repository);
    free((char *)place->scope.name);
    free(place);
}

/* Writers need no locks. */
static char *no_locks(const struct points_writer *writer)
{
    (void)writer;
    return NULL;
}

static int find_copy_at(const struct points_writer *writer, const char *uuid,
                        const char *derived_from, char **ret_id, struct err *err)
{
    const struct repository_place *place = repository_place_of(writer);
    CLEANUP_ERR struct err failure = ERR_INIT, missing = ERR_INIT;

    if (points_repository_find_copy(&place->scope, uuid, derived_from, ret_id, &failure) == 0)
        return 0;
    /* A scope that nothing was put into yet has no copy. */
    if (failure.kind == ERR_NOT_FOUND &&
        repository_need_scope(place->repository, place->scope.name, &missing) < 0 &&
        missing.kind == ERR_NOT_FOUND)
        return 0;
    return err_move(err, &failure);
}

static int trash_point(struct points_writer *writer, const struct point *base, uint64_t wait_ms,
                       struct err *err)
{
    const struct repository_point *point = (const struct repository_point *)base;
    const struct point_id id = {point->stored->id.guest, point->stored->id.session};
    const struct mark mark = {.by = "remove", .reason = "virt-backup remove"};
    bool made = false;

    (void)wait_ms;
    if (marks_remove(&repository_place_of(writer)->scope, &id, &mark, &made, err) < 0)
        return -1;
    return made ? 0 : err_set(err, ERR_BUSY, "point %s is in the trash already", base->id);
}

/* ---- beginning ----------------------------------------------------------------------------- */

static void clear_set(struct repository_set *set)
{
    point_writer_free(set->writer);
    session_end(set->session);
    info_clear(&set->info);
    for (size_t i = 0; i < SMALL_ITEMS_MAX; i++)
        buf_clear(&set->small[i]);
    for (size_t i = 0; i < set->trust_count; i++)
        trust_clear(&set->trusts[i]);
    free(set->trusts);
    free(set->guest);
    free(set);
}

/* Of a backup that failed for another reason nothing is kept beyond the parts that are there: it may have
 * failed because the store is full. */
static void drop_repository_set(struct points_set *base)
{
    struct repository_set *set = repository_set_of(base);
    CLEANUP_ERR struct err err = ERR_INIT;
    bool aside = false;

    if (quit_requested() && point_writer_put_aside(set->writer, &aside, &err) < 0)
        log_detail("guest '%s': what was stored is not kept: %s", set->guest, err.text);
    if (aside || point_writer_parts(set->writer) > 0)
        log_notice("guest '%s': what was stored until now is kept, and the next backup goes on "
                   "with it",
                   set->guest);
    clear_set(set);
}

static void tell_notes(const struct repository_set *set)
{
    const struct session_notes notes = session_notes(set->session);
    const char *why = NULL;

    if (notes.other_host)
        log_warn_guest(
            set->guest,
            "its newest point was made on host %s; two hosts that back up guests with one "
            "UUID share the points that are kept, and \"latest\"",
            notes.other_host);
    if (notes.ahead_ms)
        log_warn_guest(set->guest,
                       "its newest point is %lld hours ahead of the clock of the repository",
                       (long long)(notes.ahead_ms / 3600000));
    for (size_t i = 0; notes.unreadable && i < notes.unreadable->count; i++)
        log_warn_guest(set->guest, "nothing is taken over from a point: %s",
                       notes.unreadable->items[i]);
    uint32_t unread = point_writer_unread(set->writer, &why);
    if (unread)
        log_warn_guest(set->guest,
                       "%u pack%s of earlier points cannot be read, and what they have is stored "
                       "again: %s",
                       unread, unread == 1 ? "" : "s", why);
}

static void describe_set(struct repository_set *set, const struct points_request *request,
                         const struct id *guest)
{
    set->guest = mem_strdup(request->guest);
    set->info.name = mem_strdup(request->guest);
    set->info.guest = *guest;
    set->info.taken_ms = request->derived_from ? request->taken_ms : 0;
    set->info.derived = request->derived_from &&
                        points_repository_origin(request->derived_from, &set->info.derived_from);
    set->info.host = mem_strdup(request->host);
    set->info.program = mem_strdup("virt-backup " VIRT_BACKUP_VERSION);
    for (size_t i = 0; i < request->tag_count; i++)
        if (!strings_has(&set->info.tags, request->tags[i]))
            strings_add(&set->info.tags, request->tags[i]);
}

/* The point will be that of the last session. */
static void note_id(struct repository_set *set)
{
    set->base.id = id_text(session_id(set->session), set->id_text);
}

static int begin_set_session(const struct repository_place *place,
                             const struct points_request *request, struct repository_set *set,
                             struct err *err)
{
    struct point_options options = point_options_within(request->memory);
    struct id guest, like;
    struct session_request asked = {
        .scope = place->scope.name,
        .host = request->host,
        .program = "virt-backup " VIRT_BACKUP_VERSION,
    };

    options.no_refresh = request->no_refresh;
    options.derived = request->derived_from != NULL;
    options.part_info = &set->info;
    if (!id_parse_uuid(request->uuid, &guest))
        return err_set(err, ERR_INTERNAL, "'%s' is not a UUID", request->uuid);
    if (request->like && guest_lookup(&place->scope, request->like, &like, err) < 0)
        return err_prefix(err, "--like %s", request->like);
    asked.guest = guest;
    asked.like = request->like ? &like : NULL;
    describe_set(set, request, &guest);
    if (session_begin(place->repository, &asked, &set->session, err) < 0 ||
        point_writer_new(place->repository, &set->session, &options, &set->writer, err) < 0)
        return -1;
    note_id(set);
    if (!request->derived_from) {
        points_repository_owner(&place->scope, set->owner);
        set->base.owner = set->owner;
    }
    const struct stored_point *base = session_base(set->session);
    if (base)
        set->base.base = id_text(&base->id.session, set->base_text);
    tell_notes(set);
    return 0;
}

static int begin_repository_set(struct points_writer *writer, const struct points_request *request,
                                struct points_set **ret, struct err *err)
{
    struct repository_set *set = mem_alloc(sizeof(*set));

    set->base.writer = writer;
    if (begin_set_session(repository_place_of(writer), request, set, err) < 0) {
        clear_set(set);
        return -1;
    }
    *ret = &set->base;
    return 0;
}

/* Everything can be stored, under whatever name. */
static int expect_anything(struct points_set *set, const struct points_item *item,
                           enum codec_type codec, struct err *err)
{
    (void)set;
    (void)item;
    (void)codec;
    (void)err;
    return 0;
}

/* ---- items --------------------------------------------------------------------------------- */

static int keep_save_header(struct repository_set *set, const struct points_head *head,
                            struct err *err)
{
    struct buf *kept = &set->small[ITEM_SAVE_HEADER - 1];

    if (!head || !head->known)
        return 0;
    buf_clear(kept);
    if (sav_format_head(head->sav.xml, head->sav.cookie, head->sav.was_running, SAV_RAW, kept,
                        err) < 0)
        return -1;
    set->has_small[ITEM_SAVE_HEADER - 1] = true;
    return 0;
}

/* What is captured is so when its first image is read, at the latest. */
static void note_time(struct repository_set *set)
{
    if (!set->info.taken_ms)
        set->info.taken_ms = session_now_ms(set->session);
}

static int show_repository_life(struct points_set *set, struct err *err)
{
    return point_writer_show_life(repository_set_of(set)->writer, err);
}

static int create_repository_image(struct points_set *base, const struct points_facts *facts,
                                   struct chunk_source *source, struct chunk_sink *ret,
                                   struct err *err)
{
    struct repository_set *set = repository_set_of(base);
    bool memory = facts->item.kind == POINTS_MEMORY;
    const struct point_image image = {
        .number = memory ? SLOT_MEMORY : (uint32_t)set->info.disk_count,
        .target = memory ? NULL : facts->item.target,
        .source = &set->source,
        .codec = facts->codec.type,
    };

    note_time(set);
    set->facts = *facts;
    set->source = *source;
    if (keep_save_header(set, facts->head, err) < 0 ||
        point_writer_begin_image(set->writer, &image, &set->plugs, err) < 0)
        return -1;
    if (!memory)
        info_add_disk(&set->info, facts->item.target, facts->raw_size);
    *source = set->plugs.source;
    *ret = set->plugs.sink;
    return 0;
}

static int finish_repository_image(struct points_set *base, struct manifest_stored *ret,
                                   uint64_t *ret_usage, struct err *err)
{
    struct repository_set *set = repository_set_of(base);
    bool memory = set->facts.item.kind == POINTS_MEMORY;
    struct point_image_written written = {0};

    if (point_writer_end_image(set->writer, &written, err) < 0)
        return -1;
    note_id(set);
    set->info.memory = set->info.memory || memory;
    *ret = (struct manifest_stored){
        .image = written.image,
        .codec = set->facts.codec,
        .place = PLACE_MAP,
        .number = memory ? MANIFEST_MAP_MEMORY : (uint32_t)(set->info.disk_count - 1),
    };
    ret->codec.dict_size = 0;
    ret->has_header = memory && set->has_small[ITEM_SAVE_HEADER - 1];
    if (ret->has_header) {
        const struct buf *header = &set->small[ITEM_SAVE_HEADER - 1];
        digest_of(header->data, header->len, ret->header);
    }
    *ret_usage = written.stored;
    return 0;
}

static int put_repository_small(struct points_set *base, enum manifest_extra_kind kind,
                                const void *data, size_t len, struct manifest_stored *ret,
                                struct err *err)
{
    struct repository_set *set = repository_set_of(base);
    const unsigned number = kind + 1u; /* see enum small_item_kind */

    if (number >= ITEM_SAVE_HEADER || set->has_small[number - 1])
        return err_set(err, ERR_INTERNAL, "a small item of this kind cannot be stored");
    buf_append(&set->small[number - 1], data, len);
    set->has_small[number - 1] = true;
    *ret = (struct manifest_stored){.place = PLACE_SMALL, .number = number};
    return 0;
}

/* ---- how disks go on ---------------------------------------------------------------------- */

static const struct repository_set *const_set_of(const struct points_set *set)
{
    return (const struct repository_set *)set;
}

/* NULL: nothing is kept of it. */
static const struct trust_section *base_section(const struct points_set *base, const char *target)
{
    const struct stored_point *point = session_base(const_set_of(base)->session);

    for (size_t i = 0; point && i < point->info.disk_count; i++)
        if (strcmp(point->info.disks[i].target, target) == 0)
            return stored_point_trust(point, (uint32_t)i);
    return NULL;
}

static const struct trust *repository_base_trust(const struct points_set *base, const char *target)
{
    const struct trust_section *section = base_section(base, target);

    return section ? &section->facts : NULL;
}

static bool repository_witness(const struct points_set *base, const char *target, size_t n,
                               uint64_t *ret_offset, size_t *ret_len)
{
    const struct trust_section *section = base_section(base, target);

    if (!section || n >= section->witness_count)
        return false;
    uint64_t left = section->facts.size - section->witnesses[n].offset;
    *ret_offset = section->witnesses[n].offset;
    *ret_len = left < LIMITS_BLOCK ? (size_t)left : LIMITS_BLOCK;
    return true;
}

static bool repository_witness_fits(const struct points_set *base, const char *target, size_t n,
                                    const void *data)
{
    const struct trust_section *section = base_section(base, target);
    const struct repository *repository = repository_place_of(base->writer)->repository;
    uint64_t offset = 0;
    size_t len = 0;

    return repository_witness(base, target, n, &offset, &len) &&
           witnesses_fit(repository->id_salt, &section->witnesses[n], data, len);
}

static void keep_repository_trust(struct points_set *base, const char *target,
                                  const struct trust *trust)
{
    struct repository_set *set = repository_set_of(base);

    if (set->trust_count < set->info.disk_count) {
        set->trusts = mem_resize(set->trusts, set->info.disk_count, sizeof(*set->trusts));
        while (set->trust_count < set->info.disk_count)
            set->trusts[set->trust_count++] = (struct trust){0};
    }
    for (size_t i = 0; i < set->trust_count; i++)
        if (strcmp(set->info.disks[i].target, target) == 0) {
            trust_clear(&set->trusts[i]);
            trust_copy(trust, &set->trusts[i]);
        }
}

/* ---- the end ------------------------------------------------------------------------------- */

static int check_items(const struct repository_set *set, const struct manifest *manifest,
                       struct err *err)
{
    bool fits = manifest->disk_count == set->info.disk_count &&
                (manifest->memory != NULL) == set->info.memory;
    size_t small = set->has_small[0] + set->has_small[1];

    for (size_t i = 0; fits && i < manifest->disk_count; i++)
        fits = strcmp(manifest->disks[i].target, set->info.disks[i].target) == 0;
    for (size_t i = 0; fits && i < manifest->extra_count; i++)
        fits = set->has_small[manifest->extras[i].kind];
    if (fits && manifest->extra_count == small)
        return 0;
    return err_set(err, ERR_INTERNAL, "the manifest does not name what was stored");
}

static int commit_point(struct repository_set *set, const struct manifest *manifest,
                        struct err *err)
{
    const struct parser *parser = repository_place_of(set->base.writer)->repository->parser;
    CLEANUP_BUF struct buf text = {0};
    struct small_items small = {0};
    CLEANUP_FREE const struct trust **trusts = mem_array(set->info.disk_count + 1, sizeof(*trusts));
    struct point_parts parts = {.info = &set->info, .trusts = trusts, .small = &small};

    note_time(set);
    if (check_items(set, manifest, err) < 0 || manifest_format(manifest, parser, &text, err) < 0)
        return -1;
    set->info.state = manifest->state;
    set->info.consistency = manifest->consistency;
    for (unsigned i = 0; i < SMALL_ITEMS_MAX; i++)
        if (set->has_small[i])
            small.items[small.count++] = (struct small_item){(enum small_item_kind)(i + 1),
                                                             set->small[i].data, set->small[i].len};
    for (size_t i = 0; i < set->trust_count; i++)
        trusts[i] = set->trusts[i].checkpoint ? &set->trusts[i] : NULL;
    parts.manifest = text.data;
    parts.manifest_len = text.len;
    return point_writer_commit(set->writer, &parts, err);
}

static int commit_repository_set(struct points_set *base, const struct manifest *manifest,
                                 struct err *err)
{
    struct repository_set *set = repository_set_of(base);
    int result = commit_point(set, manifest, err);

    clear_set(set);
    return result;
}

static const struct points_set_ops repository_set_ops = {
    .lone_file_system = no_locks,
    .find_copy = find_copy_at,
    .remove = trash_point,
    .close = close_repository_place,
    .begin = begin_repository_set,
    .expect = expect_anything,
    .show_life = show_repository_life,
    .create_image = create_repository_image,
    .finish_image = finish_repository_image,
    .put_small = put_repository_small,
    .commit = commit_repository_set,
    .drop = drop_repository_set,
    .base_trust = repository_base_trust,
    .witness = repository_witness,
    .witness_fits = repository_witness_fits,
    .keep_trust = keep_repository_trust,
};

int points_repository_open_writer(const struct points_place *where, struct points_writer **ret,
                                  struct err *err)
{
    struct repository *repository = NULL;
    struct stored_scope scope;

    if (points_repository_open(where, &repository, &scope, err) < 0)
        return -1;
    struct repository_place *place = mem_alloc(sizeof(*place));
    place->base.ops = &repository_set_ops;
    place->base.place = mem_strdup(where->path);
    place->repository = repository;
    place->scope = scope;
    place->scope.name = mem_strdup(scope.name);
    *ret = &place->base;
    return 0;
}
