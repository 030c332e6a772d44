/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "altered_store.h"

#include <string.h>

#include "altered_frozen.h"
#include "altered_going.h"
#include "base/text.h"
#include "repository/format/name.h"
#include "repository/format/slot.h"
#include "store/store_impl.h"

struct altered_store {
    struct store store;
    struct store *inner;
    struct altered altered;
    bool at_first;          /* nothing was asked yet, or only the last collection has */
    struct frozen slots;    /* answers for "p/" */
    struct frozen sessions; /* ... "s/" */
    struct frozen holds;    /* ... "h/" */
    unsigned slots_left;    /* listings of slots that are answered so */
    bool slots_frozen;      /* their contents, too */
    bool sessions_frozen;
    bool holds_frozen;
    struct strings replaced; /* folders in which something was */
    bool at_token;           /* a collection makes it next */
    bool looks;              /* a collection has a token, and has not listed the sessions yet */
    bool commits;            /* a session has looked whether it is still announced */
    struct strings former;   /* slots that had a tombstone since the token was put off */
    struct going going;      /* of a session */
    char *late;              /* name of an object that is created later */
    struct buf late_bytes;
};

static int get_bytes(const uint8_t *data, size_t size, const struct store_range *range,
                     size_t *ret_len)
{
    size_t len = range->offset < size ? size - (size_t)range->offset : 0;

    *ret_len = len < range->cap ? len : range->cap;
    if (*ret_len > 0)
        memcpy(range->data, data + range->offset, *ret_len);
    return 0;
}

static char *upper_prefix(const char *top)
{
    return mem_printf("%sdefault/", top);
}

/* ---- rules: create, replace ------------------------------------------------------------------ */

static int create_late(struct altered_store *own, struct err *err)
{
    struct store_object object = {
        .name = own->late, .data = own->late_bytes.data, .len = own->late_bytes.len};
    enum store_outcome outcome = STORE_EXISTS;

    if (!own->late)
        return 0;
    int rc = own->inner->ops->create(own->inner, &object, &outcome, err);
    free(TAKE_PTR(own->late));
    buf_clear(&own->late_bytes);
    return rc;
}

static int put_off(struct altered_store *own, const struct store_object *object,
                   enum store_outcome *ret)
{
    free(own->late);
    own->late = mem_strdup(object->name);
    buf_clear(&own->late_bytes);
    buf_append(&own->late_bytes, object->data, object->len);
    *ret = STORE_MADE;
    return 0;
}

static bool has_tombstone(struct store *inner, const char *name)
{
    uint8_t bytes[SLOT_TOMBSTONE_SIZE + 1];
    struct store_range range = {.name = name, .data = bytes, .cap = sizeof(bytes)};
    size_t len = 0;

    return inner->ops->get(inner, &range, &len, NULL) == 0 && len == SLOT_TOMBSTONE_SIZE;
}

static int altered_create(struct store *store, const struct store_object *object,
                          enum store_outcome *ret, struct err *err)
{
    struct altered_store *own = (struct altered_store *)store;
    struct store *inner = own->inner;
    const char *name = object->name;
    bool point = text_begins(name, "p/") && object->len > SLOT_TOMBSTONE_SIZE;

    going_note(&own->going, object);
    switch ((int)own->altered.rule) {
    case RULE_ANNOUNCED_LATE:
        if (own->altered.role == ROLE_WRITER && text_begins(name, "s/"))
            return put_off(own, object, ret);
        if (own->altered.role == ROLE_WRITER && create_late(own, err) < 0)
            return -1;
        break;
    case RULE_TOKEN_LATE:
        if (text_begins(name, "c/")) {
            strings_clear(&own->former);
            return put_off(own, object, ret);
        }
        break;
    case RULE_REMOVED_SINCE_TOKEN:
        own->looks |= text_begins(name, "c/");
        break;
    case RULE_COMMIT_REPLACES:
        if (own->altered.role == ROLE_WRITER && point && has_tombstone(inner, name)) {
            *ret = STORE_MADE;
            return inner->ops->replace(inner, object, err);
        }
        break;
    case RULE_NO_FENCE:
        if (own->altered.role == ROLE_COLLECTOR && text_begins(name, "p/")) {
            *ret = STORE_MADE;
            return 0;
        }
        break;
    case RULE_VERDICT_REPLACED:
        if (own->altered.role == ROLE_COLLECTOR && text_ends(name, ".v")) {
            *ret = STORE_MADE;
            return inner->ops->replace(inner, object, err);
        }
        break;
    case RULE_UNDELETE_DELETES:
        if (own->altered.role == ROLE_UNDELETER && text_ends(name, ".v")) {
            CLEANUP_FREE char *marker = mem_strndup(name, strlen(name) - 2);
            *ret = STORE_MADE;
            return inner->ops->delete(inner, marker, err);
        }
        break;
    default:
        break;
    }
    return inner->ops->create(inner, object, ret, err);
}

/* Deletes the marker of the point whose slot this is, and its verdict. */
static int delete_marker(struct store *inner, const char *slot, struct err *err)
{
    for (int i = 1; i < 4; i++) {
        CLEANUP_FREE char *marker = mem_printf("t%s.%d", slot + 1, i);
        CLEANUP_FREE char *verdict = mem_printf("%s.v", marker);
        if (inner->ops->delete(inner, marker, err) < 0 ||
            inner->ops->delete(inner, verdict, err) < 0)
            return -1;
    }
    return 0;
}

static int altered_replace(struct store *store, const struct store_object *object, struct err *err)
{
    struct altered_store *own = (struct altered_store *)store;
    struct store_object changed = *object;

    if (own->altered.rule == RULE_MARKER_GOES_FIRST &&
        delete_marker(own->inner, object->name, err) < 0)
        return -1;
    if (own->altered.rule == RULE_SLOTS_NOT_SETTLED)
        changed.settle_later = true;
    strings_take(&own->replaced,
                 mem_strndup(object->name, (size_t)(strrchr(object->name, '/') - object->name)));
    return own->inner->ops->replace(own->inner, &changed, err);
}

/* ---- rules: get ------------------------------------------------------------------------------ */

static bool takes_copies(const struct altered_store *own)
{
    return (own->altered.rule == RULE_KIND_NOT_READ && own->altered.role == ROLE_WRITER) ||
           (own->altered.rule == RULE_UNDELETE_DOES_NOT_LOOK &&
            own->altered.role == ROLE_UNDELETER) ||
           (own->altered.rule == RULE_HOLD_TAKES_REMOVED && own->altered.role == ROLE_HOLDER);
}

/* Before it commits, a session looks at the points that it builds on once more. All else must do without
 * that. */
static bool skips_second_look(const struct altered_store *own)
{
    return own->altered.rule != RULE_NONE && own->altered.role == ROLE_WRITER && own->commits;
}

/* A removed point looks as if its session had been fenced. */
static void hide_removal(const struct altered_store *own, const struct store_range *range,
                         size_t len)
{
    struct name name;
    uint8_t *bytes = range->data;

    if (range->offset != 0 || len != SLOT_TOMBSTONE_SIZE || !name_parse(range->name, &name) ||
        name.kind != NAME_SLOT)
        return;
    const struct slot_id id = {own->altered.repository, name.session, name.guest};
    struct slot slot;
    if (slot_parse(bytes, len, &id, &slot, NULL) == 0 && slot.kind == SLOT_REMOVED)
        slot_format_tombstone(SLOT_FENCED, &id, bytes);
}

static int altered_get(struct store *store, const struct store_range *range, size_t *ret_len,
                       struct err *err)
{
    struct altered_store *own = (struct altered_store *)store;
    bool slot = text_begins(range->name, "p/");

    if (own->altered.rule == RULE_TOKEN_NOT_CHECKED && text_begins(range->name, "c/")) {
        *ret_len = 0;
        return 0;
    }
    if (own->altered.role == ROLE_WRITER && text_begins(range->name, "s/"))
        own->commits = true;
    if (slot &&
        (takes_copies(own) || skips_second_look(own) || going_hides(&own->going, range->name))) {
        struct memory_bytes copy = memory_look(own->altered.copies, range->name);
        if (copy.data)
            return get_bytes(copy.data, copy.len, range, ret_len);
    }
    for (size_t i = 0; slot && own->slots_frozen && i < own->slots.count; i++)
        if (strcmp(own->slots.items[i].entry.name, range->name) == 0 &&
            own->slots.items[i].bytes.len > 0)
            return get_bytes(own->slots.items[i].bytes.data, own->slots.items[i].bytes.len, range,
                             ret_len);
    if (own->inner->ops->get(own->inner, range, ret_len, err) < 0)
        return -1;
    if (own->altered.rule == RULE_GONE_IS_SKIPPED || own->looks)
        hide_removal(own, range, *ret_len);
    return 0;
}

/* ---- rules: list ----------------------------------------------------------------------------- */

struct copies_look {
    const struct memory *copies;
    const struct store_each *each;
};

/* A copy has the size that the point had. */
static int list_copy(void *opaque, const struct store_entry *entry, struct err *err)
{
    const struct copies_look *look = opaque;
    struct store_entry changed = *entry;
    struct memory_bytes copy = memory_look(look->copies, entry->name);

    if (copy.data)
        changed.size = copy.len;
    return look->each->call(look->each->opaque, &changed, err);
}

struct former_look {
    struct altered_store *own;
    const struct store_each *each;
};

/* What had a tombstone still has one: that a point is there again is a second look, without which all
 * else must do. */
static int list_former(void *opaque, const struct store_entry *entry, struct err *err)
{
    const struct former_look *look = opaque;
    struct store_entry changed = *entry;

    if (strings_has(&look->own->former, entry->name))
        changed.size = SLOT_TOMBSTONE_SIZE;
    else if (entry->size == SLOT_TOMBSTONE_SIZE)
        strings_add(&look->own->former, entry->name);
    return look->each->call(look->each->opaque, &changed, err);
}

static bool answers_nothing(const struct altered_store *own, const char *prefix)
{
    switch ((int)own->altered.rule) {
    case RULE_TRASH_USED:
        return own->altered.role == ROLE_WRITER && text_begins(prefix, "t/");
    case RULE_HOLD_DOES_NOT_LOOK:
        return own->altered.role == ROLE_HOLDER && text_begins(prefix, "t/");
    case RULE_HOLDS_IGNORED:
        return own->altered.role == ROLE_COLLECTOR && text_begins(prefix, "h/");
    case RULE_NO_WAIT:
        return own->altered.role == ROLE_COLLECTOR && text_begins(prefix, "s/");
    case RULE_REMOVED_SINCE_TOKEN:
        return own->altered.role == ROLE_COLLECTOR && text_begins(prefix, "p/") && own->at_token;
    default:
        return false;
    }
}

/* A collector's first look begins with the whole trash. */
static int freeze_for_collector(struct altered_store *own, const char *prefix, struct err *err)
{
    CLEANUP_FREE char *slots = upper_prefix("p/"), *sessions = upper_prefix("s/");
    CLEANUP_FREE char *holds = upper_prefix("h/"), *trash = upper_prefix("t/");
    CLEANUP_FREE char *bad = mem_printf("v/default/bad/");
    bool begins = strcmp(prefix, trash) == 0 && own->at_first;

    if (begins)
        own->at_first = false;
    if (own->altered.rule == RULE_SESSIONS_FIRST && begins) {
        own->sessions_frozen = true;
        return frozen_list(own->inner, sessions, false, &own->sessions, err);
    }
    if (own->altered.rule == RULE_HOLDS_FIRST && begins) {
        own->holds_frozen = true;
        return frozen_list(own->inner, holds, false, &own->holds, err);
    }
    if (own->altered.rule == RULE_PACKS_LAST && strcmp(prefix, bad) == 0 && !own->slots_frozen) {
        own->slots_frozen = own->sessions_frozen = true;
        own->slots_left = 2;
        if (frozen_list(own->inner, slots, true, &own->slots, err) < 0 ||
            frozen_list(own->inner, sessions, false, &own->sessions, err) < 0)
            return -1;
    }
    return 0;
}

/* Slots, as the first look found them, once more. */
static int list_for_one_look(struct altered_store *own, const char *prefix,
                             const struct store_each *each, struct err *err)
{
    CLEANUP_FREE char *slots = upper_prefix("p/"), *sessions = upper_prefix("s/");

    if (strcmp(prefix, sessions) == 0)
        own->slots_left = 1;
    if (strcmp(prefix, slots) != 0)
        return own->inner->ops->list(own->inner, prefix, each, err);
    if (own->slots_left == 1) {
        own->slots_left = 2;
        return own->inner->ops->list(own->inner, prefix, each, err);
    }
    if (own->slots_left == 2) {
        own->slots_left = 0;
        return frozen_tell(&own->slots, prefix, each, err);
    }
    return frozen_list(own->inner, prefix, false, &own->slots, err) < 0
               ? -1
               : frozen_tell(&own->slots, prefix, each, err);
}

/* A collection lists holds, then slots, makes its token, and lists the sessions in the end. */
static void note_place(struct altered_store *own, const char *prefix)
{
    if (own->altered.rule != RULE_REMOVED_SINCE_TOKEN)
        return;
    if (text_begins(prefix, "s/"))
        own->looks = false;
    if (!text_begins(prefix, "p/"))
        own->at_token = !own->looks && strcmp(prefix, "h/default/") == 0;
}

static int altered_list(struct store *store, const char *prefix, const struct store_each *each,
                        struct err *err)
{
    struct altered_store *own = (struct altered_store *)store;
    bool slots = text_begins(prefix, "p/");
    int rc = 0;

    own->commits = false;
    note_place(own, prefix);
    if (answers_nothing(own, prefix))
        return 0;
    if (own->going.part)
        return going_list(&own->going, own->inner, prefix, each, err);
    if (takes_copies(own) && slots) {
        struct copies_look look = {own->altered.copies, each};
        const struct store_each copies = {list_copy, &look};
        return own->inner->ops->list(own->inner, prefix, &copies, err);
    }
    if (own->altered.role == ROLE_COLLECTOR && own->altered.rule == RULE_TOKEN_LATE && slots) {
        struct former_look look = {own, each};
        const struct store_each former = {list_former, &look};
        return own->inner->ops->list(own->inner, prefix, &former, err);
    }
    if (own->altered.role == ROLE_COLLECTOR && own->altered.rule == RULE_ONE_LOOK)
        return list_for_one_look(own, prefix, each, err);
    if (own->altered.role == ROLE_COLLECTOR && freeze_for_collector(own, prefix, err) < 0)
        return -1;
    if (own->altered.role == ROLE_WRITER && own->altered.rule == RULE_TRASH_READ_LAST &&
        text_begins(prefix, "t/")) {
        CLEANUP_FREE char *of_guest = mem_printf("p%s", prefix + 1);
        own->slots_frozen = true;
        own->slots_left = 1;
        if (frozen_list(own->inner, of_guest, true, &own->slots, err) < 0)
            return -1;
    }
    if (own->sessions_frozen && text_begins(prefix, "s/")) {
        own->sessions_frozen = false;
        return frozen_tell(&own->sessions, prefix, each, err);
    }
    if (own->holds_frozen && text_begins(prefix, "h/")) {
        own->holds_frozen = false;
        return frozen_tell(&own->holds, prefix, each, err);
    }
    if (own->slots_frozen && slots) {
        if (own->slots_left-- > 0)
            return frozen_tell(&own->slots, prefix, each, err);
        own->slots_frozen = false;
    }
    rc = own->inner->ops->list(own->inner, prefix, each, err);
    if (rc == 0 && own->altered.rule == RULE_TOKEN_LATE && text_begins(prefix, "s/"))
        rc = create_late(own, err);
    return rc;
}

/* ---- rules: delete, settle ------------------------------------------------------------------- */

static int altered_delete(struct store *store, const char *name, struct err *err)
{
    struct altered_store *own = (struct altered_store *)store;

    /* With its token a collection ends. */
    if (text_begins(name, "c/"))
        own->at_first = true;
    return own->inner->ops->delete(own->inner, name, err);
}

static int altered_settle(struct store *store, const char *folder, struct err *err)
{
    struct altered_store *own = (struct altered_store *)store;
    bool slots = text_begins(folder, "p/") && own->altered.role == ROLE_COLLECTOR;

    if ((own->altered.rule == RULE_SLOTS_NOT_SETTLED && slots) ||
        (own->altered.rule == RULE_OWN_SLOTS_SETTLED && slots &&
         !strings_has(&own->replaced, folder)) ||
        (own->altered.rule == RULE_PACKS_NOT_SETTLED && text_begins(folder, "d/")))
        return 0;
    return own->inner->ops->settle(own->inner, folder, err);
}

static int altered_add_folder(struct store *store, const char *folder, struct err *err)
{
    struct store *inner = ((struct altered_store *)store)->inner;

    return inner->ops->add_folder(inner, folder, err);
}

static int altered_now(struct store *store, int64_t *ret_ms, struct err *err)
{
    struct store *inner = ((struct altered_store *)store)->inner;

    return inner->ops->now(inner, ret_ms, err);
}

static const char *altered_lagging(struct store *store)
{
    (void)store;
    return NULL;
}

static void altered_close(struct store *store)
{
    struct altered_store *own = (struct altered_store *)store;

    store_close(own->inner);
    frozen_clear(&own->slots);
    frozen_clear(&own->sessions);
    frozen_clear(&own->holds);
    strings_clear(&own->replaced);
    strings_clear(&own->former);
    going_clear(&own->going);
    free(own->late);
    buf_clear(&own->late_bytes);
    free(own);
}

static const struct store_ops altered_ops = {
    .create = altered_create,
    .replace = altered_replace,
    .get = altered_get,
    .list = altered_list,
    .delete = altered_delete,
    .settle = altered_settle,
    .add_folder = altered_add_folder,
    .now = altered_now,
    .lagging = altered_lagging,
    .close = altered_close,
};

struct store *altered_open(struct store *inner, const struct altered *altered)
{
    struct altered_store *own = mem_alloc(sizeof(*own));

    own->store.ops = &altered_ops;
    own->store.url = mem_strdup("memory");
    own->inner = inner;
    own->altered = *altered;
    own->going.altered = &own->altered;
    own->at_first = true;
    return &own->store;
}
