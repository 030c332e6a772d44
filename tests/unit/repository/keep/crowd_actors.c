/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "crowd_actors.h"

#include <string.h>

#include "../../chance.h"
#include "repository/format/info.h"
#include "repository/format/map.h"
#include "repository/keep/collect.h"
#include "repository/keep/marks.h"
#include "repository/keep/prune.h"
#include "repository/session.h"

#define MAX_PACKS 16u
#define MAX_KNOWN 6u /* packs of other backups */

static struct stored_scope scope_of(const struct crowd_actor *actor)
{
    return (struct stored_scope){
        .store = actor->repository.store, .repository = actor->repository.id, .name = "default"};
}

/* Whether an error is one that the faults of this run explain. */
static void judge_failure(const struct crowd_actor *actor, const char *what, const struct err *err)
{
    struct crowd *crowd = actor->crowd;

    if (crowd->ledger.violation || crowd->run->rule != RULE_NONE ||
        schedule_has_crashed(crowd->schedule, actor->number) || crowd->fault == FAULT_FULL)
        return;
    CLEANUP_FREE char *text = mem_printf("%s: %s", what, err->text);
    ledger_violate(&crowd->ledger, NULL, text);
}

/* ---- sessions -------------------------------------------------------------------------------- */

struct written_pack {
    struct id session;
    uint32_t number;
};

static int compare_written_packs(const void *a, const void *b)
{
    const struct written_pack *left = a, *right = b;
    int order = id_compare(&left->session, &right->session);

    return order ? order : (left->number > right->number) - (left->number < right->number);
}

static struct id guest_of(unsigned number)
{
    struct id id;

    memset(id.bytes, (int)number, sizeof(id.bytes));
    return id;
}

static void add_section(struct slot_writer *writer, uint16_t type, const struct buf *bytes)
{
    const struct slot_added added = {.type = type, .data = bytes->data, .len = bytes->len};

    if (slot_writer_add(writer, &added, NULL) < 0)
        abort();
}

/* A point whose disk has one block of each of these packs. */
static struct buf point_of(const struct crowd_actor *actor, const struct id *session,
                           const struct written_pack *written, uint32_t count, uint32_t flags)
{
    const struct slot_id id = {actor->repository.id, *session, guest_of(actor->writer.guest)};
    const struct buf manifest = {.data = (uint8_t *)"<domain/>", .len = 9};
    struct info info = {.name = (char *)"web",
                        .guest = id.guest,
                        .taken_ms = id_time_ms(session),
                        .host = (char *)"alpha",
                        .program = (char *)"virt-backup"};
    struct info_disk disk = {.target = (char *)"vda", .size = (uint64_t)count * LIMITS_BLOCK};
    CLEANUP_SLOT_WRITER struct slot_writer writer = {0};
    CLEANUP_MAP_WRITER struct map_writer map = {0};
    CLEANUP_PACKS struct packs packs = {0};
    CLEANUP_BUF struct buf list = {0}, digests = {0}, facts = {0}, runs = {0};
    struct pack_digest digest[MAX_PACKS];
    struct buf bytes = {0};

    info.disks = &disk;
    info.disk_count = 1;
    map_writer_begin(&map, disk.size);
    for (uint32_t i = 0; i < count; i++) {
        const struct map_run run = {i, 1, i, 0};
        if (packs_add(&packs, &written[i].session, written[i].number, NULL) < 0)
            abort();
        digest[i] =
            (struct pack_digest){.index_offset = 69, .block_count = 1, .size = 69 + 36 + 64};
        map_writer_add(&map, &run);
    }
    packs_format(&packs, &list);
    packs_format_digests(digest, count, &digests);
    if (info_format(&info, &facts, NULL) < 0)
        abort();
    map_writer_finish(&map, &runs);
    add_section(&writer, SLOT_PACKS, &list);
    add_section(&writer, SLOT_DIGESTS, &digests);
    add_section(&writer, SLOT_INFO, &facts);
    add_section(&writer, SLOT_MAP, &runs);
    if (!(flags & FLAG_PARTIAL))
        add_section(&writer, SLOT_MANIFEST, &manifest);
    if (slot_writer_finish(&writer, &id, flags, &bytes, NULL) < 0)
        abort();
    return bytes;
}

static int put_one_pack(struct crowd_actor *actor, struct session *session,
                        struct written_pack *ret, struct err *err)
{
    static const struct id block = {{1}};
    static const struct pack_index_added frame = {
        .stored_len = 5, .raw_len = LIMITS_BLOCK, .block_count = 1, .ids = &block};
    struct pack_writer *writer = actor->pack_writer;
    CLEANUP(pack_writer_freep) struct pack_writer *own = NULL;
    struct pack_digest digest;

    if (!writer)
        writer = own = pack_writer_new(err);
    if (!writer)
        return -1;
    pack_writer_begin(writer);
    ret->session = *session_id(session);
    return pack_writer_add(writer, "frame", &frame, err) < 0
               ? -1
               : session_put_pack(session, writer, &digest, &ret->number, err);
}

struct packs_written {
    struct written_pack packs[MAX_PACKS];
    uint32_t count;
};

static void add_written(struct packs_written *written, const struct written_pack *pack)
{
    for (uint32_t i = 0; i < written->count; i++)
        if (compare_written_packs(&written->packs[i], pack) == 0)
            return;
    if (written->count < MAX_PACKS)
        written->packs[written->count++] = *pack;
}

/* Packs of the points that the session knows, newest first. */
static void add_known_packs(const struct session *session, struct packs_written *written)
{
    const struct stored_point *known = NULL;
    uint32_t count = 0;

    for (size_t i = 0; (known = session_known(session, i)); i++)
        for (uint32_t j = known->packs.count; j-- > 0 && count < MAX_KNOWN; count++) {
            struct written_pack pack;
            packs_at(&known->packs, j, &pack.session, &pack.number);
            if (!session_known_is_gone(session, i))
                add_written(written, &pack);
        }
}

static int commit_written(struct crowd_actor *actor, struct session *session,
                          struct packs_written *written, uint32_t flags, struct err *err)
{
    qsort(written->packs, written->count, sizeof(*written->packs), compare_written_packs);
    CLEANUP_BUF struct buf point =
        point_of(actor, session_id(session), written->packs, written->count, flags);
    return session_commit(session, point.data, point.len, err);
}

/* Packs of its own, and others. Of a part some of them only; the next session takes these over, and looks
 * for the others again. */
static int write_session(struct crowd_actor *actor, struct session **session, struct err *err)
{
    struct packs_written written = {0};

    for (unsigned part = 0; part <= actor->writer.parts; part++) {
        bool last = part == actor->writer.parts;
        for (unsigned i = 0; i < actor->writer.packs; i++) {
            struct written_pack pack;
            if (put_one_pack(actor, *session, &pack, err) < 0)
                return -1;
            add_written(&written, &pack);
        }
        if (last || (actor->number + part) % 2)
            add_known_packs(*session, &written);
        if (commit_written(actor, *session, &written, last ? 0 : FLAG_PARTIAL, err) < 0 ||
            (!last && session_go_on(&actor->repository, session, err) < 0))
            return -1;
    }
    return 0;
}

void crowd_write(void *opaque)
{
    struct crowd_actor *actor = opaque;
    const struct id like = guest_of(actor->writer.like);
    const struct session_request request = {
        .scope = "default",
        .guest = guest_of(actor->writer.guest),
        .like = actor->writer.like ? &like : NULL,
        .host = "alpha",
        .program = "virt-backup",
    };

    for (unsigned i = 0; crowd_goes_on(actor, i < actor->writer.sessions); i++) {
        CLEANUP(session_endp) struct session *session = NULL;
        CLEANUP_ERR struct err err = ERR_INIT;
        if (session_begin(&actor->repository, &request, &session, &err) < 0) {
            if (err.kind != ERR_TRANSIENT)
                judge_failure(actor, "a session cannot begin", &err);
            continue;
        }
        if (write_session(actor, &session, &err) < 0) {
            if (err.kind != ERR_BUSY && err.kind != ERR_TRANSIENT)
                judge_failure(actor, "a session fails", &err);
            continue;
        }
        if (!actor->crowd->schedule)
            continue; /* of the first points */
        const struct point_id id = {request.guest, *session_id(session)};
        ledger_find(&actor->crowd->ledger, &id)->completed = true;
    }
}

/* ---- collections ----------------------------------------------------------------------------- */

static void pass_event(void *opaque, const struct collect_event *event)
{
    (void)opaque;
    (void)event;
}

void crowd_collect(void *opaque)
{
    struct crowd_actor *actor = opaque;
    const struct collect_events events = {pass_event, NULL};
    const struct collect_settings settings = {.scope = "default",
                                              .state_fd = actor->collector.state_fd,
                                              .host = "alpha",
                                              .silence_ms = actor->collector.silence_ms};
    struct collect_result result = {0};

    for (unsigned i = 0; i < actor->collector.runs; i++) {
        CLEANUP_ERR struct err err = ERR_INIT;
        int rc = collect_run(&actor->repository, &settings, &events, &result, &err);
        actor->removes = false;
        if (rc < 0) {
            judge_failure(actor, "a collection fails", &err);
            return;
        }
        if (actor->collector.once && result.outcome == COLLECT_DONE)
            return;
    }
    if (actor->collector.must_end && result.outcome != COLLECT_DONE)
        ledger_violate(&actor->crowd->ledger, NULL, "collections do not come to an end");
}

/* ---- people ---------------------------------------------------------------------------------- */

static const struct mark crowd_mark = {.by = "test", .reason = "test"};

/* Any point that stands; false if none does. */
static bool choose_point(struct crowd_actor *actor, struct point_id *ret)
{
    struct ledger *ledger = &actor->crowd->ledger;
    unsigned first = (unsigned)chance_below(&actor->chance, ledger->count);

    for (unsigned i = 0; i < ledger->count; i++) {
        const struct ledger_point *point = &ledger->points[(first + i) % ledger->count];
        if (point->standing) {
            *ret = point->id;
            return true;
        }
    }
    return false;
}

static void pass_prune_event(void *opaque, const struct prune_event *event)
{
    (void)opaque;
    (void)event;
}

static void prune_by_policy(struct crowd_actor *actor)
{
    const struct stored_scope scope = scope_of(actor);
    const struct prune_settings settings = {.policy = {.keep[RETENTION_LAST] = 1, .force = true}};
    const struct prune_events events = {pass_prune_event, NULL};
    CLEANUP_ERR struct err err = ERR_INIT;
    struct prune_result result;

    if (prune_run(&scope, &settings, &events, &result, &err) < 0)
        judge_failure(actor, "pruning fails", &err);
}

static void trash_point(struct crowd_actor *actor, const struct point_id *point)
{
    const struct stored_scope scope = scope_of(actor);
    CLEANUP_ERR struct err err = ERR_INIT;
    bool made = false;

    if (marks_trash(&scope, point, &crowd_mark, &made, &err) < 0 && err.kind != ERR_NOT_FOUND)
        judge_failure(actor, "a point cannot be marked", &err);
}

void crowd_prune(void *opaque)
{
    struct crowd_actor *actor = opaque;
    struct point_id point;

    unsigned times = 1 + (unsigned)chance_below(&actor->chance, 4);

    for (unsigned i = 0; crowd_goes_on(actor, i < times); i++)
        if (chance_below(&actor->chance, 4) == 0)
            prune_by_policy(actor);
        else if (choose_point(actor, &point))
            trash_point(actor, &point);
}

void crowd_prune_all(void *opaque)
{
    struct crowd_actor *actor = opaque;
    struct ledger *ledger = &actor->crowd->ledger;

    for (unsigned i = 0; i < ledger->count; i++)
        if (ledger->points[i].standing)
            trash_point(actor, &ledger->points[i].id);
}

static void hold_point(struct crowd_actor *actor, const struct point_id *point)
{
    const struct stored_scope scope = scope_of(actor);
    CLEANUP_ERR struct err err = ERR_INIT;
    bool changed = false;

    if (marks_hold(&scope, point, &crowd_mark, &changed, &err) < 0) {
        if (err.kind != ERR_NOT_FOUND)
            judge_failure(actor, "a hold fails", &err);
        return;
    }
    struct ledger_point *held = ledger_find(&actor->crowd->ledger, point);
    held->held = true;
    if (!held->standing)
        ledger_violate(&actor->crowd->ledger, point, "is held, but gone");
    if (chance_below(&actor->chance, 2) == 0)
        return;
    held->held = false;
    if (marks_release(&scope, point, &changed, &err) < 0)
        judge_failure(actor, "a release fails", &err);
}

void crowd_hold(void *opaque)
{
    struct crowd_actor *actor = opaque;
    struct point_id point;

    unsigned times = 1 + (unsigned)chance_below(&actor->chance, 2);

    for (unsigned i = 0; crowd_goes_on(actor, i < times); i++)
        if (choose_point(actor, &point))
            hold_point(actor, &point);
}

void crowd_trash_and_hold(void *opaque)
{
    struct crowd_actor *actor = opaque;
    const struct point_id point = actor->crowd->ledger.points[1].id;

    trash_point(actor, &point);
    hold_point(actor, &point);
}

void crowd_undelete(void *opaque)
{
    struct crowd_actor *actor = opaque;
    const struct stored_scope scope = scope_of(actor);
    struct point_id point;

    unsigned times = 1 + (unsigned)chance_below(&actor->chance, 3);

    for (unsigned i = 0; crowd_goes_on(actor, i < times); i++) {
        CLEANUP_ERR struct err err = ERR_INIT;
        bool undeleted = false;
        if (!choose_point(actor, &point))
            continue;
        if (marks_undelete(&scope, &point, &undeleted, &err) < 0) {
            if (err.kind != ERR_NOT_FOUND)
                judge_failure(actor, "an undelete fails", &err);
            continue;
        }
        struct ledger_point *kept = ledger_find(&actor->crowd->ledger, &point);
        /* Unless it was put there again since. */
        if (undeleted && kept->kept_at == kept->markers) {
            kept->undeleted = true;
            if (!kept->standing)
                ledger_violate(&actor->crowd->ledger, &point, "is undeleted, but gone");
        }
    }
}
