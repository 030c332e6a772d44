/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/keep/objects.h"

#include <string.h>

int objects_compare_points(const struct point_id *a, const struct point_id *b)
{
    int order = id_compare(&a->guest, &b->guest);

    return order ? order : id_compare(&a->session, &b->session);
}

char *objects_name(const struct stored_scope *scope, enum name_kind kind,
                   const struct point_id *point, uint32_t number)
{
    struct name name = {
        .kind = kind, .guest = point->guest, .session = point->session, .number = number};

    memcpy(name.scope, scope->name, strlen(scope->name) + 1);
    return name_format(&name);
}

struct objects_look {
    const struct stored_scope *scope;
    const struct objects_each *each;
};

static bool is_id_with_more(const char *text)
{
    return strspn(text, "0123456789abcdef") == ID_TEXT_SIZE - 1 &&
           strchr("./", text[ID_TEXT_SIZE - 1]); /* or its end */
}

/* "p/default/web.old/01a2...": a folder that has another name now, with what must not be missed. */
static bool is_in_renamed_folder(const char *name)
{
    bool renamed = false;

    for (const char *at = name, *slash; (slash = strchr(at, '/')); at = slash + 1) {
        CLEANUP_FREE char *folder = mem_printf("%.*s", (int)(slash - name), name);
        renamed |= !name_is_folder(folder);
        if (renamed && (is_id_with_more(at) || is_id_with_more(slash + 1)))
            return true;
    }
    return false;
}

/* A file or a link in place of a folder (which may have been moved away) is not an empty folder. */
static int look_at_object(void *opaque, const struct store_entry *entry, struct err *err)
{
    const struct objects_look *look = opaque;
    struct name name;

    if (name_parse(entry->name, &name) && strcmp(name.scope, look->scope->name) == 0)
        return look->each->call(look->each->opaque, &name, entry, err);
    if (look->each->odd == OBJECTS_STRICT && name_is_folder(entry->name))
        return err_set(err, ERR_CORRUPT, "%s/%s: is not a folder", store_url(look->scope->store),
                       entry->name);
    if (look->each->odd == OBJECTS_STRICT && is_in_renamed_folder(entry->name))
        return err_set(
            err, ERR_CORRUPT,
            "%s/%s: its folder has a name that no repository has; give it the former name, "
            "or move it out of the repository if it may be lost",
            store_url(look->scope->store), entry->name);
    if (look->each->unknown)
        strings_add(look->each->unknown, entry->name);
    return 0;
}

static int look_at_odd(void *opaque, const struct store_entry *entry, struct err *err)
{
    const struct objects_look *look = opaque;
    struct name name;

    return look->each->odd == OBJECTS_FILES && name_parse(entry->name, &name)
               ? 0
               : look_at_object(opaque, entry, err);
}

static bool may_be_folder(const char *text)
{
    struct name name;

    return name_is_folder(text) || !name_parse(text, &name);
}

int objects_list(const struct stored_scope *scope, const char *top, const char *below,
                 const struct objects_each *each, struct err *err)
{
    CLEANUP_FREE char *prefix =
        mem_printf("%s/%s/%s%s", top, scope->name, below ? below : "", below ? "/" : "");
    struct objects_look look = {.scope = scope, .each = each};
    const struct store_each store_each = {look_at_object, &look, .odd = look_at_odd,
                                          .may_be_folder = may_be_folder};

    return store_list(scope->store, prefix, &store_each, err);
}

int objects_slot_kind(const struct stored_scope *scope, const struct point_id *point,
                      enum slot_kind *ret_kind, struct err *err)
{
    CLEANUP_FREE char *name = objects_name(scope, NAME_SLOT, point, 0);
    const struct slot_id id = {scope->repository, point->session, point->guest};
    uint8_t bytes[SLOT_TOMBSTONE_SIZE + 1];
    struct store_range range = {.name = name, .data = bytes, .cap = sizeof(bytes)};
    CLEANUP_ERR struct err why = ERR_INIT;
    struct slot slot = {0};
    size_t len = 0;

    if (store_get(scope->store, &range, &len, &why) < 0) {
        if (why.kind != ERR_NOT_FOUND)
            return err_move(err, &why);
        *ret_kind = 0;
        return 0;
    }
    bool longer = len == sizeof(bytes);
    if ((longer ? slot_parse_head(bytes, &id, &slot, err)
                : slot_parse(bytes, len, &id, &slot, err)) < 0)
        return err_prefix(err, "%s/%s", store_url(scope->store), name);
    if (longer && slot.kind != SLOT_POINT)
        return err_set(err, ERR_CORRUPT, "%s/%s: is unreadable: a tombstone that is too long",
                       store_url(scope->store), name);
    *ret_kind = slot.kind;
    return 0;
}

int objects_has_point(const struct stored_scope *scope, const struct point_id *point, bool *ret,
                      struct err *err)
{
    CLEANUP_ERR struct err why = ERR_INIT;
    enum slot_kind kind = SLOT_POINT;

    if (objects_slot_kind(scope, point, &kind, &why) < 0 && why.kind != ERR_CORRUPT)
        return err_move(err, &why);
    *ret = kind == SLOT_POINT;
    return 0;
}
