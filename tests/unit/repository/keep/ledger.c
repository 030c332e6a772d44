/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ledger.h"

#include <string.h>

static const struct stored_scope names_scope = {.name = "default"};

struct ledger_point *ledger_find(struct ledger *ledger, const struct point_id *id)
{
    for (unsigned i = 0; i < ledger->count; i++)
        if (objects_compare_points(&ledger->points[i].id, id) == 0)
            return &ledger->points[i];
    if (ledger->count == LEDGER_POINTS)
        abort();
    ledger->points[ledger->count] = (struct ledger_point){.id = *id};
    return &ledger->points[ledger->count++];
}

void ledger_violate(struct ledger *ledger, const struct point_id *point, const char *what)
{
    char session[ID_TEXT_SIZE] = "";

    if (!ledger->violation)
        ledger->violation = mem_printf("%s%s%s", point ? id_text(&point->session, session) : "",
                                       point ? ": " : "", what);
}

static bool has_object(const struct ledger *ledger, enum name_kind kind,
                       const struct point_id *point, uint32_t number, size_t len)
{
    CLEANUP_FREE char *name = objects_name(&names_scope, kind, point, number);
    struct memory_bytes bytes = memory_look(ledger->memory, name);

    return bytes.data && (len == 0 || bytes.len == len);
}

/* After a power cut a point that was taken may stand again; it is in the trash then, for good. */
static bool may_be_lost(const struct ledger *ledger, const struct ledger_point *point)
{
    for (uint32_t i = 1; ledger->power_failed && i < 9; i++)
        if (has_object(ledger, NAME_VERDICT, &point->id, i, strlen("taken")))
            return true;
    return false;
}

static void check_point(struct ledger *ledger, const struct ledger_point *point)
{
    for (uint32_t i = 0; point->standing && i < point->packs.count; i++) {
        struct point_id owner = {0};
        uint32_t number = 0;
        packs_at(&point->packs, i, &owner.session, &number);
        if (!has_object(ledger, NAME_PACK, &owner, number, 0) && !may_be_lost(ledger, point))
            ledger_violate(ledger, &point->id, "stands, and lacks a pack");
    }
}

static void note_point(struct ledger *ledger, const char *name, struct ledger_point *point,
                       const struct memory_bytes *bytes)
{
    const struct slot_id id = {ledger->repository, point->id.session, point->id.guest};
    struct store_object copy = {.name = name, .data = bytes->data, .len = bytes->len};
    CLEANUP_SLOT struct slot slot = {0};
    enum store_outcome outcome;

    point->standing = true;
    if (point->packs.sessions)
        return;
    if (slot_parse(bytes->data, bytes->len, &id, &slot, NULL) < 0)
        abort();
    const struct slot_section *section = slot_find(&slot, SLOT_PACKS, 0);
    if (packs_parse(bytes->data + section->offset, (size_t)section->stored_len, &point->packs,
                    NULL) < 0)
        abort();
    if (store_create(ledger->copier, &copy, &outcome, NULL) < 0)
        abort();
}

static void note_slot_change(struct ledger *ledger, const char *name, struct ledger_point *point)
{
    struct memory_bytes bytes = memory_look(ledger->memory, name);
    bool stood = point->standing;

    point->standing = false;
    if (bytes.data && bytes.len > SLOT_TOMBSTONE_SIZE)
        note_point(ledger, name, point, &bytes);
    if (!stood || point->standing)
        return;
    if (point->markers == 0)
        ledger_violate(ledger, &point->id, "was removed, and never in the trash");
    if (point->held)
        ledger_violate(ledger, &point->id, "was removed although it is held");
    if (point->undeleted)
        ledger_violate(ledger, &point->id, "was removed although it was undeleted");
}

static void note_pack_removal(struct ledger *ledger, const struct name *name)
{
    uint32_t place = 0;

    for (unsigned i = 0; i < ledger->count; i++) {
        const struct ledger_point *point = &ledger->points[i];
        if (point->standing && packs_find(&point->packs, &name->session, name->number, &place))
            check_point(ledger, point);
    }
}

static void note_change(void *opaque, const char *text)
{
    struct ledger *ledger = opaque;
    bool there = memory_look(ledger->memory, text).data;
    struct name name;

    if (!name_parse(text, &name))
        return;
    const struct point_id id = {name.guest, name.session};
    if (name.kind == NAME_PACK && !there)
        note_pack_removal(ledger, &name);
    if (name.kind != NAME_SLOT && name.kind != NAME_MARKER && (name.kind != NAME_VERDICT || !there))
        return;
    struct ledger_point *point = ledger_find(ledger, &id);
    if (name.kind == NAME_MARKER && !there) {
        point->kept_at = point->markers; /* whoever has done that may say that the point stays */
    } else if (name.kind == NAME_SLOT) {
        note_slot_change(ledger, text, point);
        check_point(ledger, point);
    } else if (name.kind == NAME_MARKER) {
        point->markers++;
        point->undeleted = false;
    } else if (memory_look(ledger->memory, text).len == strlen("kept")) {
        point->kept_at = point->markers;
    }
}

void ledger_begin(struct ledger *ledger, struct memory *memory, const struct id *repository)
{
    const struct memory_watch watch = {note_change, ledger};
    CLEANUP_STRINGS struct strings folders = {0};

    *ledger = (struct ledger){.memory = memory, .copies = memory_new(), .repository = *repository};
    ledger->copier = memory_open(ledger->copies, NULL);
    strings_add(&folders, "p");
    strings_add(&folders, "p/default");
    if (store_add_folders(ledger->copier, &folders, NULL) < 0)
        abort();
    memory_set_watch(memory, &watch);
    for (const char *name = memory_next(memory, ""); name; name = memory_next(memory, name))
        note_change(ledger, name);
}

void ledger_end(struct ledger *ledger)
{
    for (unsigned i = 0; i < ledger->count; i++)
        packs_clear(&ledger->points[i].packs);
    store_close(ledger->copier);
    memory_free(ledger->copies);
    free(ledger->violation);
}

void ledger_refresh(struct ledger *ledger, bool set_back)
{
    for (unsigned i = 0; i < ledger->count; i++) {
        struct ledger_point *point = &ledger->points[i];
        CLEANUP_FREE char *name = objects_name(&names_scope, NAME_SLOT, &point->id, 0);
        point->standing = memory_look(ledger->memory, name).len > SLOT_TOMBSTONE_SIZE;
        if (set_back) {
            point->completed = point->held = point->undeleted = false;
            point->markers = 0;
            while (has_object(ledger, NAME_MARKER, &point->id, point->markers + 1, 0))
                point->markers++;
        }
        check_point(ledger, point);
    }
}

void ledger_check(struct ledger *ledger)
{
    for (unsigned i = 0; i < ledger->count; i++) {
        const struct ledger_point *point = &ledger->points[i];
        if (point->completed && point->markers == 0 && !point->standing)
            ledger_violate(ledger, &point->id, "was complete, never in the trash, and is gone");
        check_point(ledger, point);
    }
}

static bool is_needed(const struct ledger *ledger, const struct name *pack)
{
    uint32_t place = 0;

    for (unsigned i = 0; i < ledger->count; i++)
        if (ledger->points[i].standing &&
            packs_find(&ledger->points[i].packs, &pack->session, pack->number, &place))
            return true;
    return false;
}

void ledger_check_clean(struct ledger *ledger)
{
    struct name parsed;

    ledger->power_failed = false;
    ledger_check(ledger);
    for (const char *name = memory_next(ledger->memory, ""); name;
         name = memory_next(ledger->memory, name)) {
        if (!name_parse(name, &parsed))
            continue;
        if (parsed.kind == NAME_PACK && !is_needed(ledger, &parsed))
            ledger_violate(ledger, NULL, "a pack that no point needs is there for ever");
        if (parsed.kind == NAME_SESSION)
            ledger_violate(ledger, NULL, "a session that has ended is there for ever");
    }
}
