/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/points/repository_check.h"

#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/quit.h"
#include "base/units.h"
#include "ops/backup_sizes.h"
#include "ops/events/course.h"
#include "ops/guests/select.h"
#include "ops/points/repository_damage.h"
#include "ops/points/repository_impl.h"
#include "ops/points/repository_order.h"
#include "ops/points/scopes.h"
#include "ops/transfer/children.h"
#include "ops/undo/recover.h"
#include "repository/check.h"
#include "repository/check_records.h"

/* Blocks may be in frames of earlier backups, made with other levels: room for any. */
struct codec_spec points_repository_decoding(enum codec_type type, uint64_t chunk_size)
{
    static const unsigned levels[] = {[CODEC_LZMA] = 6, [CODEC_ZSTD] = 3};

    return (struct codec_spec){
        .type = type,
        .level = type == CODEC_NONE ? 0 : levels[type],
        .dict_size = type == CODEC_NONE ? 0 : chunk_size,
    };
}

struct repository_verify {
    const struct verify_options *options;
    const struct report *report;
    struct outcome *outcome;
    struct points_store *store;
    struct children children;
    struct check_children decoders;
    struct points_check *check;
    struct course course;
    uint64_t begun_ms;
    uint64_t read; /* bytes of packs of this scope */
    enum small_level level;
    bool several; /* scopes may be looked at; of those that were: */
    size_t chosen;
    struct strings wanted, excluded; /* words of the options that meant a guest in one of them */
    struct err first;                /* of one that lacks a point that is wanted */
    char host[256];
};

/* ---- what the check needs ------------------------------------------------------------------- */

/* A source whose bytes count for the rate limit. */
struct limited_frames {
    const struct chunk_source *source;
    struct limit *limit;
};

static int look_frames(void *opaque, uint64_t id, struct chunk_run *ret, struct err *err)
{
    const struct limited_frames *frames = opaque;

    return frames->source->look(frames->source->opaque, id, ret, err);
}

static int read_frames(void *opaque, uint64_t id, void *data, size_t cap, size_t *ret_len,
                       enum chunk_kind *ret_kind, struct err *err)
{
    const struct limited_frames *frames = opaque;

    if (frames->source->read(frames->source->opaque, id, data, cap, ret_len, ret_kind, err) < 0)
        return -1;
    return limit_take(frames->limit, *ret_len, err);
}

static uint32_t gathered_frames(void *opaque, uint64_t id)
{
    const struct limited_frames *frames = opaque;

    return frames->source->gathered(frames->source->opaque, id);
}

static int decode_frames(void *opaque, enum codec_type codec, const struct chunk_source *source,
                         const struct chunk_sink *sink, struct err *err)
{
    struct repository_verify *verify = opaque;
    struct children *children = &verify->children;
    const struct codec_spec spec = points_repository_decoding(codec, source->chunk_size);
    struct limited_frames frames = {source, &children->limit};
    struct chunk_source limited = *source;
    struct pool_stats stats = {0};
    const struct pool_plugs plugs = {.source = &limited, .sink = sink};

    limited.opaque = &frames;
    limited.look = look_frames;
    limited.read = read_frames;
    limited.gathered = source->gathered ? gathered_frames : NULL;
    if (children_pool(children, &spec, source->chunk_size, 0, err) < 0)
        return -1;
    if (pool_run(children->pool, &plugs, &stats, err) < 0) {
        children_end(children); /* a pool cannot be used again in the middle of an image */
        return -1;
    }
    work_add(&children->work, &stats, pool_children(children->pool), children->plan.cpus);
    return 0;
}

static int look_at_manifest(const struct stored_point *point, const struct parser *parser,
                            struct err *err)
{
    CLEANUP(manifest_freep) struct manifest *manifest = NULL;

    return points_repository_manifest(point, parser, &manifest, err);
}

/* ---- which points ------------------------------------------------------------------------------ */

static bool is_in_part(const struct verify_options *options, const struct id *session)
{
    /* Random digits: the parts are about as large, and a point is always in the same. */
    return options->part == 0 || session->bytes[ID_SIZE - 1] % options->parts == options->part - 1;
}

static int leave_out_points(const struct repository_verify *verify,
                            const struct points_repository_view *view, struct selection *points,
                            struct err *err)
{
    const struct verify_options *options = verify->options;
    struct check_records records CLEANUP(check_records_clear) = {0};
    int64_t now_ms = 0;

    if (options->max_age_ms && (check_records_read(view->scope, NULL, &records, err) < 0 ||
                                store_now(view->scope->store, &now_ms, err) < 0))
        return -1;
    for (size_t i = 0; i < points->count; i++) {
        struct point_id id;
        if (!points->chosen[i])
            continue;
        if (!id_parse(points->points[i], &id.session) ||
            points_repository_guest_id(verify->store, points->names[i], &id.guest, err) < 0)
            return -1;
        int64_t good_ms = check_records_last_good(&records, &id, verify->level);
        points->chosen[i] = is_in_part(options, &id.session) &&
                            (good_ms == 0 || now_ms - good_ms >= (int64_t)options->max_age_ms);
    }
    return 0;
}

/* ---- one point --------------------------------------------------------------------------------- */

static void tell_findings_of(struct repository_verify *verify, const struct event *about,
                             const struct check_result *result)
{
    struct event event = *about;

    verify->outcome->damaged = true;
    verify->outcome->failed++;
    event.kind = EVENT_DAMAGE;
    for (size_t i = 0; i < result->findings.count; i++) {
        event.problem = (struct event_problem){ERR_CORRUPT, result->findings.items[i]};
        report_event(verify->report, &event);
    }
}

static void tell_good(struct repository_verify *verify, const struct event *about,
                      uint64_t started_ms)
{
    CLEANUP(points_closep) struct point *point = NULL;
    struct event event = *about;

    verify->outcome->good++;
    event.kind = EVENT_VERIFIED;
    event.verified = (struct event_done){.elapsed_ms = units_now_ms() - started_ms};
    if (points_open(verify->store, about->guest, about->point_id, &point, NULL) == 0) {
        event.verified.disks = points_manifest(point)->disk_count;
        event.verified.memory = points_manifest(point)->memory != NULL;
        event.verified.sizes = backup_sizes_all(point);
        sizes_add(&verify->outcome->sizes, &event.verified.sizes);
    }
    report_event(verify->report, &event);
}

static int verify_point(struct repository_verify *verify, const char *guest, const char *text,
                        struct err *err)
{
    const struct event about = {.guest = guest, .point_id = text};
    struct check_result result CLEANUP_CHECK_RESULT = {0};
    uint64_t started_ms = units_now_ms();
    struct point_id id;

    if (points_repository_guest_id(verify->store, guest, &id.guest, err) < 0 ||
        !id_parse(text, &id.session) || check_point(verify->check, &id, &result, err) < 0)
        return -1;
    if (result.gone) {
        struct event gone = about;
        gone.kind = EVENT_VANISHED;
        report_event(verify->report, &gone);
        return 0;
    }
    for (size_t i = 0; i < result.unwritten.count; i++)
        log_warn_guest(guest, "what was found is not noted in the repository: %s",
                       result.unwritten.items[i]);
    if (result.good)
        tell_good(verify, &about, started_ms);
    else
        tell_findings_of(verify, &about, &result);
    return 0;
}

/* ---- all of them ------------------------------------------------------------------------------- */

static bool is_time_up(const struct repository_verify *verify)
{
    uint64_t most = verify->options->max_time_ms;

    return most && units_now_ms() - verify->begun_ms >= most;
}

static void note_read_pack(void *opaque, uint64_t bytes)
{
    struct repository_verify *verify = opaque;

    verify->read += bytes;
}

/* Guests are verified as a whole, so that what their points share is read once. */
static bool is_share_read(const struct repository_verify *verify, const char *last,
                          const char *guest)
{
    const struct verify_options *options = verify->options;

    return options->share && last && strcmp(last, guest) != 0 &&
           verify->read >= check_listed_bytes(verify->check) / options->shares * options->share;
}

static void tell_points_left(const struct repository_verify *verify, size_t left, bool share_read)
{
    if (left)
        log_notice("%zu point%s not verified: %s", left, left == 1 ? " was" : "s were",
                   share_read ? "the share is reached, their turn comes later"
                   : verify->options->share
                       ? "the time of --max-time is over, their turn comes later"
                       : "the time of --max-time is over");
}

static int verify_points(struct repository_verify *verify, struct selection *points,
                         struct err *err)
{
    const char *last = NULL;
    bool share_read = false;
    size_t left = 0;

    course_begin(&verify->course, verify->report, points->chosen, points->count);
    for (size_t i = 0; i < points->count; i++) {
        if (!points->chosen[i])
            continue;
        share_read = share_read || is_share_read(verify, last, points->names[i]);
        if (share_read || is_time_up(verify)) {
            left++;
            continue;
        }
        if (quit_check(err) < 0)
            return -1;
        course_next(&verify->course, i);
        last = points->names[i];
        if (verify_point(verify, points->names[i], points->points[i], err) < 0)
            return -1;
    }
    tell_points_left(verify, left, share_read);
    return 0;
}

/* Adds the words that are not among those that were left. */
static void note_matched(const struct name_list *words, const struct strings *unmatched,
                         struct strings *matched)
{
    for (size_t i = 0; i < words->count; i++)
        if (!strings_has(unmatched, words->names[i]) && !strings_has(matched, words->names[i]))
            strings_add(matched, words->names[i]);
}

/* All its points may have been removed, and that is as good as it was. */
static bool is_scope_empty(const struct repository_verify *verify)
{
    const struct verify_options *options = verify->options;
    CLEANUP_STRINGS struct strings guests = {0};

    return options->domains.count == 0 && options->exclude_domains.count == 0 &&
           points_store_guests(verify->store, &guests, NULL) == 0 && guests.count == 0;
}

static int select_in_scope(struct repository_verify *verify, struct selection *points,
                           struct err *err)
{
    const struct verify_options *options = verify->options;
    CLEANUP_STRINGS struct strings not_wanted = {0}, not_excluded = {0};
    CLEANUP_FREE char *where = mem_printf("repository %s", options->source.path);
    const struct select_request request = {
        .where = where, /* the scope is told with the error */
        .wanted = &options->domains,
        .excluded = &options->exclude_domains,
        .unmatched = verify->several ? &not_wanted : NULL,
        .unmatched_excluded = &not_excluded,
        .report = verify->report,
        .outcome = verify->outcome,
    };

    CLEANUP_ERR struct err failure = ERR_INIT;
    if (select_from_store(verify->store, &request, points, &failure) < 0) {
        if (failure.kind == ERR_NOT_FOUND && is_scope_empty(verify))
            return 0;
        /* It may be in another one. */
        if (!verify->several || failure.kind != ERR_NOT_FOUND)
            return err_move(err, &failure);
        if (verify->first.kind == ERR_NONE)
            err_move(&verify->first, &failure);
        return 0;
    }
    note_matched(&options->domains, &not_wanted, &verify->wanted);
    note_matched(&options->exclude_domains, &not_excluded, &verify->excluded);
    for (size_t i = 0; i < points->count; i++)
        verify->chosen += points->chosen[i];
    return 0;
}

static void tell_words_without_guest(const struct repository_verify *verify, const char *option,
                                     const struct name_list *words, const struct strings *matched)
{
    CLEANUP_FREE char *where = mem_printf("repository %s", verify->options->source.path);

    for (size_t i = 0; i < words->count; i++) {
        const struct event_no_match no_match = {NO_MATCH_GUEST, option, words->names[i], where};
        if (!strings_has(matched, words->names[i]))
            report_no_match(verify->report, verify->outcome, &no_match);
    }
}

/* Words that mean a guest in no scope. */
static int check_words(struct repository_verify *verify, struct err *err)
{
    const struct verify_options *options = verify->options;
    const struct name_list *domains = &options->domains, *excluded = &options->exclude_domains;

    /* A scope that cannot be read may have what is missing. */
    if (!verify->several || (verify->chosen == 0 && verify->outcome->failed > 0))
        return 0;
    if (verify->chosen == 0 && verify->first.kind != ERR_NONE)
        return err_move(err, &verify->first);
    if (verify->chosen == 0 && domains->count > 0 && verify->wanted.count == 0)
        return err_set(err, ERR_NOT_FOUND, "repository %s has no guest '%s'%s",
                       options->source.path, domains->names[0],
                       domains->count > 1 ? ", nor any of the others" : "");
    if (verify->chosen == 0)
        return err_set(err, ERR_NOT_FOUND, "repository %s has no guest to work on",
                       options->source.path);
    tell_words_without_guest(verify, "--domain-names", domains, &verify->wanted);
    tell_words_without_guest(verify, "--exclude-domains", excluded, &verify->excluded);
    return 0;
}

static bool is_in_turns(const struct verify_options *options)
{
    return options->share || options->max_time_ms;
}

static int verify_scope(struct repository_verify *verify, struct err *err)
{
    struct selection points CLEANUP(selection_clear) = {0};
    struct points_repository_view view;
    size_t before = verify->chosen;
    points_repository_look(verify->store, &view);
    const struct check_request check = {
        .scope = view.scope,
        .id_salt = view.id_salt,
        .level = verify->level,
        .children = &verify->decoders,
        .host = verify->host,
        .look_at_manifest = look_at_manifest,
        .progress = note_read_pack,
        .opaque = verify,
    };
    if (select_in_scope(verify, &points, err) < 0)
        return -1;
    if (verify->several && verify->chosen == before)
        return 0;
    if (select_every_point(verify->store, &points, err) < 0 ||
        leave_out_points(verify, &view, &points, err) < 0 ||
        (is_in_turns(verify->options) &&
         points_repository_order(verify->store, verify->level, &points, err) < 0) ||
        check_open(&check, &verify->check, err) < 0)
        return -1;
    unsigned failed = verify->outcome->failed;
    if (verify_points(verify, &points, err) < 0)
        return -1;
    return verify->outcome->failed == failed
               ? 0
               : points_repository_tell_damage(verify->store, verify->report, err);
}

static void leave_scope(struct repository_verify *verify)
{
    check_close(verify->check);
    course_clear(&verify->course);
    points_store_close(verify->store);
    verify->check = NULL;
    verify->read = 0;
    verify->course = (struct course){0};
    verify->store = NULL;
}

static int verify_next_scope(void *opaque, const struct repository *repository, const char *scope,
                             struct err *err)
{
    struct repository_verify *verify = opaque;
    struct points_place source = verify->options->source;

    (void)repository;
    source.scope = scope;
    int result =
        points_store_open(&source, &verify->store, err) < 0 ? -1 : verify_scope(verify, err);
    leave_scope(verify);
    return result;
}

static void repository_verify_clear(struct repository_verify *verify)
{
    leave_scope(verify);
    children_end(&verify->children);
    strings_clear(&verify->wanted);
    strings_clear(&verify->excluded);
    err_clear(&verify->first);
}

int points_repository_verify(const struct verify_options *options, struct spawner *spawner,
                             const struct report *report, struct outcome *ret_outcome,
                             struct err *err)
{
    static const enum small_level levels[] = {
        [VERIFY_DATA] = LEVEL_DATA,
        [VERIFY_STORED] = LEVEL_STORED,
        [VERIFY_OBJECTS] = LEVEL_OBJECTS,
    };
    const bool all = options->domains.count == 0 && options->exclude_domains.count == 0;
    struct repository_verify verify CLEANUP(repository_verify_clear) = {
        .options = options,
        .report = report,
        .outcome = ret_outcome,
        .children = {.spawner = spawner,
                     .options = &options->children,
                     .decode = true,
                     .block_digests = true},
        .level = levels[options->level],
        .begun_ms = units_now_ms(),
        .several = !all && !options->source.scope,
    };
    const struct scopes_request request = {
        .url = options->source.path,
        .parser = options->source.parser,
        .scope = options->source.scope,
        .report = report,
        .outcome = ret_outcome,
    };
    const struct scopes_each each = {verify_next_scope, &verify};

    recover_tell(report);
    verify.decoders = (struct check_children){&verify, decode_frames};
    if (gethostname(verify.host, sizeof(verify.host) - 1) < 0)
        snprintf(verify.host, sizeof(verify.host), "localhost");
    children_warn(&options->children, report);
    int result = scopes_run(&request, &each, err) < 0 ? -1 : check_words(&verify, err);
    if (result < 0)
        ret_outcome->signal = quit_requested();
    else
        work_tell(&verify.children.work, report);
    return result;
}
