/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/check.h"

#include <errno.h>
#include <string.h>

#include "base/quit.h"
#include "repository/check_pack.h"
#include "repository/check_records.h"

struct checked_pack {
    struct id session;
    uint32_t number;
    uint32_t size; /* as it is listed, or UINT32_MAX if it is more */
    bool bad;      /* the whole of it was read, and is damaged: `why` */
    enum small_defect defect;
    /* Owned; of a pack that was read. */
    struct pack_digest *found;
    char *why;
};

struct points_check {
    struct check_request request;
    struct checked_pack *packs; /* owned; by session and number */
    size_t count;
    size_t cap;
    struct check_bad_packs noted; /* before this check */
    uint8_t *data;                /* owned: LIMITS_PACK bytes; NULL until a pack is read */
};

/* ---- packs that are there --------------------------------------------------------------------- */

static int compare_checked_packs(const void *a, const void *b)
{
    const struct checked_pack *left = a, *right = b;
    int order = id_compare(&left->session, &right->session);

    return order                           ? order
           : left->number == right->number ? 0
           : left->number < right->number  ? -1
                                           : 1;
}

static int note_listed_pack(void *opaque, const struct name *name, const struct store_entry *entry,
                            struct err *err)
{
    struct points_check *check = opaque;

    (void)err;
    if (check->count == check->cap) {
        check->cap = check->cap ? check->cap * 2 : 256;
        check->packs = mem_resize(check->packs, check->cap, sizeof(*check->packs));
    }
    check->packs[check->count++] = (struct checked_pack){
        .session = name->session,
        .number = name->number,
        .size = entry->size < UINT32_MAX ? (uint32_t)entry->size : UINT32_MAX,
    };
    return 0;
}

int check_open(const struct check_request *request, struct points_check **ret, struct err *err)
{
    CLEANUP(check_closep) struct points_check *check = mem_alloc(sizeof(*check));
    const struct objects_each each = {note_listed_pack, check, .odd = OBJECTS_FILES};

    check->request = *request;
    if (objects_list(request->scope, "d", NULL, &each, err) < 0 ||
        check_records_bad_packs(request->scope, &check->noted, err) < 0)
        return -1;
    if (check->count > 0)
        qsort(check->packs, check->count, sizeof(*check->packs), compare_checked_packs);
    *ret = TAKE_PTR(check);
    return 0;
}

void check_close(struct points_check *check)
{
    if (!check)
        return;
    for (size_t i = 0; i < check->count; i++) {
        free(check->packs[i].found);
        free(check->packs[i].why);
    }
    free(check->packs);
    check_bad_packs_clear(&check->noted);
    free(check->data);
    free(check);
}

uint64_t check_listed_bytes(const struct points_check *check)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < check->count; i++)
        bytes += check->packs[i].size;
    return bytes;
}

static struct checked_pack *find_checked_pack(const struct points_check *check,
                                              const struct pack_id *id)
{
    const struct checked_pack key = {.session = id->session, .number = id->number};

    return check->count > 0
               ? bsearch(&key, check->packs, check->count, sizeof(key), compare_checked_packs)
               : NULL;
}

/* A pack that cannot be read is damaged, too, and one of a later version or with keys: the point is
 * of this one. It must not keep the others from being checked. */
static bool is_damage(const struct err *err)
{
    return err->kind == ERR_CORRUPT || err->kind == ERR_IO || err->kind == ERR_UNSUPPORTED;
}

/* ---- one pack --------------------------------------------------------------------------------- */

/* What is wrong with a pack: nothing if `text` is NULL. */
struct pack_finding {
    enum small_defect defect;
    char *text; /* owned; names the pack */
};

static void set_finding(const struct points_check *check, const char *pack,
                        enum small_defect defect, const char *text, struct pack_finding *ret)
{
    ret->defect = defect;
    ret->text = mem_printf("%s/%s: %s", store_url(check->request.scope->store), pack, text);
}

/* The pack is not as it was listed, or was made since: looks at its end. */
static int look_at_length(const struct points_check *check, const struct pack_id *id, uint32_t size,
                          struct pack_finding *finding, struct err *err)
{
    CLEANUP_FREE char *name = stored_point_pack_name(check->request.scope, id);
    uint8_t end[2];
    const struct store_range range = {name, size - 1, end, sizeof(end)};
    CLEANUP_ERR struct err why = ERR_INIT;
    size_t len = 0;

    if (store_get(check->request.scope->store, &range, &len, &why) < 0) {
        if (!is_damage(&why) && why.kind != ERR_NOT_FOUND)
            return err_move(err, &why);
        if (why.kind == ERR_NOT_FOUND)
            set_finding(check, name, DEFECT_MISSING, "is missing", finding);
        else
            *finding = (struct pack_finding){DEFECT_STORED, mem_strdup(why.text)};
    } else if (len != 1)
        set_finding(check, name, DEFECT_LENGTH, len == 0 ? "is too short" : "is too long", finding);
    return 0;
}

static int read_whole_pack(struct points_check *check, const char *name, size_t *ret_len,
                           struct err *err)
{
    const size_t cap = LIMITS_PACK + (size_t)1;

    if (!check->data)
        check->data = malloc(cap);
    if (!check->data)
        return err_set_errno(err, ENOMEM, "cannot get memory for a pack");
    const struct store_range range = {name, 0, check->data, cap};
    return store_get(check->request.scope->store, &range, ret_len, err);
}

static int look_into_pack(struct points_check *check, const struct pack_id *id,
                          struct checked_pack *checked, struct pack_finding *finding,
                          struct err *err)
{
    const struct check_request *request = &check->request;
    CLEANUP_FREE char *name = stored_point_pack_name(request->scope, id);
    CLEANUP_PACK_INDEX struct pack_index index = {0};
    CLEANUP_ERR struct err why = ERR_INIT;
    struct pack_digest found;
    size_t len = 0;

    memset(&found, 0, sizeof(found));
    if (read_whole_pack(check, name, &len, &why) < 0) {
        if (!is_damage(&why) && why.kind != ERR_NOT_FOUND)
            return err_move(err, &why);
        finding->defect = why.kind == ERR_NOT_FOUND ? DEFECT_MISSING : DEFECT_STORED;
        finding->text = mem_strdup(why.text);
        return 0;
    }
    if (pack_parse(check->data, len, id, &index, &found, &why) < 0) {
        if (!is_damage(&why))
            return err_move(err, &why);
        set_finding(check, name, DEFECT_STORED, why.text, finding);
        return 0;
    }
    if (request->level == LEVEL_DATA && check_pack_frames(request, check->data, &index, &why) < 0) {
        if (!is_damage(&why))
            return err_move(err, &why);
        set_finding(check, name, DEFECT_DATA, why.text, finding);
    }
    checked->found = mem_alloc(sizeof(found));
    *checked->found = found;
    if (request->progress)
        request->progress(request->opaque, len);
    return 0;
}

static bool is_pack_meant(const struct pack_digest *a, const struct pack_digest *b)
{
    return memcmp(a->index, b->index, DIGEST_SIZE) == 0 && a->size == b->size &&
           a->index_offset == b->index_offset && a->block_count == b->block_count;
}

/* Of a pack that is there, as long as it should be. What was found in it once is kept for other
 * points. */
static int check_inside(struct points_check *check, const struct pack_id *id,
                        const struct pack_digest *digest, struct checked_pack *checked,
                        struct pack_finding *finding, struct err *err)
{
    if (!checked->found && !checked->bad) {
        if (look_into_pack(check, id, checked, finding, err) < 0)
            return -1;
        checked->bad = finding->text != NULL;
        checked->defect = finding->defect;
        checked->why = mem_strdup(finding->text);
    } else if (checked->bad) {
        finding->defect = checked->defect;
        finding->text = mem_strdup(checked->why);
    }
    if (!finding->text && !is_pack_meant(checked->found, digest)) {
        CLEANUP_FREE char *name = stored_point_pack_name(check->request.scope, id);
        set_finding(check, name, DEFECT_STORED, "is not the pack that the point was made with",
                    finding);
    }
    return 0;
}

static int check_one_pack(struct points_check *check, const struct pack_id *id,
                          const struct pack_digest *digest, struct pack_finding *finding,
                          struct err *err)
{
    struct checked_pack *listed = find_checked_pack(check, id), unlisted = {.bad = false};
    struct checked_pack *checked = listed ? listed : &unlisted;

    if ((!listed || listed->size != digest->size) &&
        look_at_length(check, id, digest->size, finding, err) < 0)
        return -1;
    int status = finding->text || check->request.level == LEVEL_OBJECTS
                     ? 0
                     : check_inside(check, id, digest, checked, finding, err);
    free(unlisted.found);
    free(unlisted.why);
    return status;
}

/* ---- what is noted ---------------------------------------------------------------------------- */

/* What this level of check could have seen. */
static bool would_see(enum small_level level, enum small_defect defect)
{
    return level == LEVEL_DATA || defect < DEFECT_STORED ||
           (level == LEVEL_STORED && defect == DEFECT_STORED);
}

static void note_pack(const struct points_check *check, const struct pack_id *id,
                      const struct pack_finding *finding, struct strings *unwritten)
{
    const struct check_request *request = &check->request;
    CLEANUP_ERR struct err err = ERR_INIT;
    bool mended = false;
    int status = 0;

    for (size_t i = 0; i < check->noted.count && !finding->text; i++) {
        const struct check_bad_pack *noted = &check->noted.packs[i];
        mended = mended ||
                 (noted->number == id->number && id_compare(&noted->session, &id->session) == 0 &&
                  would_see(request->level, noted->defect));
    }
    if (!request->host)
        return;
    if (finding->text)
        status = check_records_note_bad(request->scope, id, finding->defect, request->host, &err);
    else if (mended)
        status = check_records_note_mended(request->scope, id, &err);
    if (status < 0)
        strings_add(unwritten, err.text);
}

static void note_point(const struct points_check *check, const struct point_id *id,
                       struct check_result *result)
{
    const struct check_request *request = &check->request;
    CLEANUP_FREE char *host = mem_strdup(request->host);
    struct small_object object = {.kind = SMALL_VERIFICATION,
                                  .level = request->level,
                                  .result = result->good ? RESULT_GOOD : RESULT_BAD,
                                  .host = host};
    CLEANUP_ERR struct err err = ERR_INIT;

    if (host && (store_now(request->scope->store, &object.when_ms, &err) < 0 ||
                 check_records_note(request->scope, id, &object, &err) < 0))
        strings_add(&result->unwritten, err.text);
}

/* ---- a point ---------------------------------------------------------------------------------- */

void check_result_clear(struct check_result *result)
{
    strings_clear(&result->findings);
    strings_clear(&result->unwritten);
    *result = (struct check_result){0};
}

/* Whatever was found, it is not damage if the point has been removed meanwhile. */
static int look_whether_gone(const struct points_check *check, const struct point_id *id,
                             struct check_result *result, struct err *err)
{
    bool there = false;

    if (objects_has_point(check->request.scope, id, &there, err) < 0)
        return -1;
    result->gone = !there;
    return 0;
}

static int check_manifest_of(const struct points_check *check, const struct stored_point *point,
                             const struct point_id *id, struct check_result *result,
                             struct err *err)
{
    const struct stored_scope *scope = check->request.scope;
    CLEANUP_ERR struct err why = ERR_INIT;

    if (!check->request.look_at_manifest || point->flags & FLAG_PARTIAL ||
        check->request.look_at_manifest(point, check->request.scope->parser, &why) == 0)
        return 0;
    if (why.kind != ERR_CORRUPT && why.kind != ERR_UNSUPPORTED)
        return err_move(err, &why);
    CLEANUP_FREE char *name = objects_name(scope, NAME_SLOT, id, 0);
    strings_take(&result->findings,
                 mem_printf("%s/%s: %s", store_url(scope->store), name, why.text));
    return 0;
}

static int check_packs_of(struct points_check *check, const struct stored_point *point,
                          const struct point_id *id, struct check_result *result, struct err *err)
{
    for (uint32_t place = 0; place < point->packs.count; place++) {
        const struct pack_id pack = stored_point_pack(point, place);
        struct pack_finding finding = {0};
        if (quit_check(err) < 0 ||
            check_one_pack(check, &pack, &point->digests[place], &finding, err) < 0)
            return -1;
        CLEANUP_FREE char *text = finding.text;
        if (text && result->bad_packs++ == 0 && look_whether_gone(check, id, result, err) < 0)
            return -1;
        if (result->gone)
            break;
        note_pack(check, &pack, &finding, &result->unwritten);
        if (text && result->findings.count < CHECK_FINDINGS)
            strings_take(&result->findings, TAKE_PTR(text));
    }
    return 0;
}

int check_point(struct points_check *check, const struct point_id *id, struct check_result *ret,
                struct err *err)
{
    CLEANUP(stored_point_freep) struct stored_point *point = NULL;
    CLEANUP_CHECK_RESULT struct check_result result = {0};
    CLEANUP_ERR struct err why = ERR_INIT;

    if (stored_point_read(check->request.scope, id, &point, &why) < 0) {
        result.gone = why.kind == ERR_NOT_FOUND;
        if (!result.gone && !stored_point_is_unreadable(&why))
            return err_move(err, &why);
        strings_add(&result.findings, why.text);
    } else {
        result.packs = point->packs.count;
        if (check_manifest_of(check, point, id, &result, err) < 0 ||
            check_packs_of(check, point, id, &result, err) < 0)
            return -1;
    }
    result.good = result.findings.count == 0 && !result.gone;
    /* Of what a later version made, or only others may read, nothing is known. */
    if (!result.gone && why.kind != ERR_UNSUPPORTED && why.kind != ERR_DENIED)
        note_point(check, id, &result);
    *ret = result;
    result = (struct check_result){0};
    return 0;
}
