/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/keep/prune.h"

#include "ops/keep/keep.h"
#include "ops/keep/prune_tell.h"
#include "ops/points/scopes.h"
#include "repository/format/stamp.h"

struct keep_pruning {
    const struct prune_options *options;
    const struct report *report;
    struct outcome *outcome;
    const char *scope;
    /* Points are told by guest; of the one at hand: */
    char *guest; /* owned; NULL: none yet */
    struct id guest_id;
    size_t kept;
    size_t dropped;
    bool *found; /* owned; which of the named guests there are */
};

static void keep_pruning_clear(struct keep_pruning *pruning)
{
    free(pruning->found);
    free(pruning->guest);
}

/* What became of the guest at hand, before the next one. */
static void tell_pruned_guest(struct keep_pruning *pruning)
{
    if (pruning->guest && pruning->kept + pruning->dropped > 0)
        report_event(pruning->report,
                     &(struct event){.kind = EVENT_PRUNED,
                                     .guest = pruning->guest,
                                     .pruned = {pruning->scope, pruning->kept, pruning->dropped,
                                                pruning->options->dry_run}});
    free(pruning->guest);
    pruning->guest = NULL;
    pruning->kept = pruning->dropped = 0;
}

/* A guest none of whose names can be read is called by its UUID. */
static void follow_guest(struct keep_pruning *pruning, const struct prune_event *event)
{
    char uuid[ID_UUID_SIZE];

    if (event->kind == PRUNE_UNKNOWN)
        return;
    if (!pruning->guest || id_compare(&pruning->guest_id, &event->point.guest) != 0)
        tell_pruned_guest(pruning);
    else if (!event->guest_name)
        return;
    free(pruning->guest);
    pruning->guest =
        mem_strdup(event->guest_name ? event->guest_name : id_uuid(&event->point.guest, uuid));
    pruning->guest_id = event->point.guest;
}

static void tell_pruned_point(const struct keep_pruning *pruning, const struct prune_event *event,
                              const struct event_point *point)
{
    const struct prune_guest guest = {event->guest_name, pruning->scope};
    const struct retention_point kept = {.id = event->point.session,
                                         .taken_at_ms = event->taken_ms};

    if (pruning->options->dry_run)
        prune_tell(pruning->report, &guest, &kept, event->verdict);
    else if (event->kind == PRUNE_DROPS)
        report_event(pruning->report, &(struct event){.kind = EVENT_POINT_PRUNED,
                                                      .guest = event->guest_name,
                                                      .point = *point});
}

static void tell_refused_guest(struct keep_pruning *pruning, enum err_kind kind, const char *why)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    pruning->kept = 0;
    err_set(&err, kind, "guest '%s': %s", pruning->guest, why);
    report_failure(pruning->report, pruning->outcome, pruning->guest, &err);
}

static void on_prune_event(void *opaque, const struct prune_event *event)
{
    struct keep_pruning *pruning = opaque;
    char id[ID_TEXT_SIZE], time[STAMP_SIZE];
    const struct event_point point = {
        .scope = pruning->scope,
        .id = id_text(&event->point.session, id),
        .time = event->taken_ms ? stamp_format(event->taken_ms, time) : NULL,
    };

    follow_guest(pruning, event);
    const char *guest = pruning->guest;
    switch (event->kind) {
    case PRUNE_KEEPS:
        pruning->kept++;
        tell_pruned_point(pruning, event, &point);
        break;
    case PRUNE_DROPS:
        pruning->dropped++;
        tell_pruned_point(pruning, event, &point);
        break;
    case PRUNE_DAMAGED:
        pruning->kept++;
        pruning->outcome->damaged = true;
        report_event(pruning->report, &(struct event){.kind = EVENT_POINT_DAMAGED,
                                                      .guest = guest,
                                                      .point_damaged = {point, event->text}});
        break;
    case PRUNE_REFUSED:
        tell_refused_guest(pruning, ERR_EXISTS, event->text);
        break;
    case PRUNE_TOO_NEW: {
        CLEANUP_FREE char *why =
            mem_printf("point %s: %s; nothing of the guest is pruned, use a newer virt-backup",
                       point.id, event->text);
        tell_refused_guest(pruning, ERR_UNSUPPORTED, why);
        break;
    }
    case PRUNE_STALE:
        pruning->kept = 0;
        report_event(pruning->report, &(struct event){.kind = EVENT_PRUNE_SKIPPED,
                                                      .guest = guest,
                                                      .prune_skipped = {point.scope, point.time}});
        break;
    case PRUNE_UNKNOWN:
        report_warning(pruning->report, NULL,
                       &(struct warning){.kind = WARNING_UNKNOWN_OBJECT, .name = event->text});
        break;
    case PRUNE_IN_TRASH:
        break;
    }
}

static int prune_scope(void *opaque, const struct repository *repository, const char *scope,
                       struct err *err)
{
    struct keep_pruning *pruning = opaque;
    const struct stored_scope stored = {repository->store, repository->id, scope,
                                        repository->parser};
    const struct prune_settings settings = {.policy = pruning->options->policy,
                                            .newest_within_ms =
                                                (int64_t)pruning->options->newest_within_ms,
                                            .verified_only = pruning->options->verified_only,
                                            .dry_run = pruning->options->dry_run,
                                            .guests = pruning->options->domains.names,
                                            .guest_count = pruning->options->domains.count,
                                            .found = pruning->found};
    const struct prune_events events = {on_prune_event, pruning};
    struct prune_result result = {0};

    pruning->scope = scope;
    int status = prune_run(&stored, &settings, &events, &result, err);
    tell_pruned_guest(pruning);
    if (status < 0)
        return -1;
    pruning->outcome->good += (unsigned)(result.guests - result.guests_refused);
    return 0;
}

static void tell_unfound_guests(struct keep_pruning *pruning)
{
    const struct name_list *domains = &pruning->options->domains;

    for (size_t i = 0; i < domains->count; i++)
        if (!pruning->found[i])
            report_no_match(pruning->report, pruning->outcome,
                            &(struct event_no_match){NO_MATCH_GUEST, "--domain-names",
                                                     domains->names[i],
                                                     pruning->options->repository});
}

int keep_prune(const struct prune_options *options, const struct report *report,
               struct outcome *ret_outcome, struct err *err)
{
    CLEANUP(keep_pruning_clear)
    struct keep_pruning pruning = {.options = options, .report = report, .outcome = ret_outcome};
    const struct scopes_request request = {
        .url = options->repository,
        .parser = options->parser,
        .scope = options->scope,
        .report = report,
        .outcome = ret_outcome,
    };
    const struct scopes_each each = {prune_scope, &pruning};

    if (options->time_zone && period_use_zone(options->time_zone, err) < 0)
        return -1;
    pruning.found = mem_array(options->domains.count + 1, sizeof(*pruning.found));
    if (scopes_run(&request, &each, err) < 0)
        return -1;
    tell_unfound_guests(&pruning);
    return 0;
}
