/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The forms of all kinds, and of those that belong to no verb or to a small one.
 */
#include "cli/events.h"

#include <inttypes.h>

#include "base/shell.h"
#include "base/units.h"
#include "base/when.h"
#include "cli/events_private.h"
#include "cli/warnings.h"

/* ---- what several kinds have -------------------------------------------------------------- */

void events_put_sizes(const struct sizes *sizes, struct json *fields)
{
    json_set_u64(fields, "image-size", sizes->image);
    json_set_u64(fields, "stored-size", sizes->stored);
    json_set_u64(fields, "disk-usage", sizes->usage);
}

struct json *events_disks(const struct event_items *disks, events_put_item *put)
{
    struct json *array = json_new_array();

    for (size_t i = 0; i < disks->count; i++) {
        struct json *entry = json_new_object();
        json_set_str(entry, "target", disks->all[i].target);
        json_set_str(entry, "path", disks->all[i].path);
        json_set_str(entry, "format", disks->all[i].format);
        put(&disks->all[i], entry);
        json_add(array, entry);
    }
    return array;
}

struct json *events_extras(const struct event_items *extras, events_put_item *put)
{
    struct json *array = json_new_array();

    for (size_t i = 0; i < extras->count; i++) {
        struct json *entry = json_new_object();
        json_set_str(entry, "kind", extras->all[i].extra_name);
        json_set_str(entry, "path", extras->all[i].path);
        put(&extras->all[i], entry);
        json_add(array, entry);
    }
    return array;
}

void events_put_disks(const struct event_done *done, struct buf *text)
{
    buf_printf(text, "%zu disk%s%s", done->disks, done->disks == 1 ? "" : "s",
               done->memory ? " and memory" : "");
}

void events_put_done(const struct event_done *done, struct json *fields)
{
    json_set_u64(fields, "disks", done->disks);
    json_set_bool(fields, "memory", done->memory);
    events_put_sizes(&done->sizes, fields);
    json_set_u64(fields, "elapsed-ms", done->elapsed_ms);
}

void events_put_problem(const struct event_problem *problem, struct json *fields)
{
    json_set_str(fields, "kind", err_kind_name(problem->kind));
    json_set_str(fields, "error", problem->error);
}

/* ---- warnings and failures ------------------------------------------------------------------ */

static void write_warning(const struct event *event, struct buf *text)
{
    CLEANUP_FREE char *warning = warnings_text(&event->warning);

    if (event->guest)
        buf_printf(text, "guest '%s': ", event->guest);
    buf_append_str(text, warning);
}

static void write_warning_fields(const struct event *event, struct json *fields)
{
    CLEANUP_FREE char *warning = warnings_text(&event->warning);

    json_set_str(fields, "guest", event->guest);
    json_set_str(fields, "warning", warning);
}

/* The error names the guest. */
static void write_failure(const struct event *event, struct buf *text)
{
    buf_append_str(text, event->problem.error);
}

static void write_problem_fields(const struct event *event, struct json *fields)
{
    json_set_str(fields, "guest", event->guest);
    events_put_problem(&event->problem, fields);
}

static void write_not_tried(const struct event *event, struct buf *text)
{
    buf_printf(text, "guest '%s': not tried", event->guest);
}

static void write_guest_field(const struct event *event, struct json *fields)
{
    json_set_str(fields, "guest", event->guest);
}

static void write_no_match(const struct event *event, struct buf *text)
{
    const struct event_no_match *no_match = &event->no_match;

    buf_printf(text, "%s: ", no_match->option);
    switch (no_match->why) {
    case NO_MATCH_GUEST:
        buf_printf(text, "%s has no guest '%s'", no_match->where, no_match->name);
        break;
    case NO_MATCH_TITLE:
        buf_printf(text, "%s has no guest with the title '%s'", no_match->where, no_match->name);
        break;
    case NO_MATCH_TAG:
        buf_printf(text, "%s has no guest with the tag '%s'", no_match->where, no_match->name);
        break;
    case NO_MATCH_DISK:
        buf_printf(text, "none of the guests has a disk '%s'", no_match->name);
        break;
    case NO_MATCH_DISK_IN_BACKUP:
        buf_printf(text, "the backup of guest '%s' has no disk '%s'", no_match->where,
                   no_match->name);
        break;
    case NO_MATCH_RESTORED:
        buf_printf(text, "guest '%s' is not one of those to be restored", no_match->name);
        break;
    }
}

static void write_no_match_fields(const struct event *event, struct json *fields)
{
    CLEANUP_FREE char *text = events_text(event);

    json_set_str(fields, "option", event->no_match.option);
    json_set_str(fields, "name", event->no_match.name);
    events_put_problem(&(struct event_problem){ERR_NOT_FOUND, text}, fields);
}

/* ---- where the time went ---------------------------------------------------------------------- */

static const char *bound_by(enum event_bound bound)
{
    static const char *const words[] = {
        [BOUND_CHILDREN] = "children", [BOUND_READING] = "reading", [BOUND_WRITING] = "writing"};

    return words[bound];
}

static void write_bottleneck(const struct event *event, struct buf *text)
{
    const struct event_bottleneck *bottleneck = &event->bottleneck;

    buf_printf(text,
               "waited for: reading %" PRIu64 "%%, children %" PRIu64 "%%, writing %" PRIu64
               "%%; bound by %s; codec efficiency %" PRIu64 ".%02" PRIu64,
               bottleneck->reading, bottleneck->children, bottleneck->writing,
               bound_by(bottleneck->bound), bottleneck->efficiency / 100,
               bottleneck->efficiency % 100);
}

static void write_bottleneck_fields(const struct event *event, struct json *fields)
{
    const struct event_bottleneck *bottleneck = &event->bottleneck;

    json_set_str(fields, "bound-by", bound_by(bottleneck->bound));
    json_set_u64(fields, "reading-percent", bottleneck->reading);
    json_set_u64(fields, "children-percent", bottleneck->children);
    json_set_u64(fields, "writing-percent", bottleneck->writing);
    json_set_u64(fields, "children-cpu-ms", bottleneck->children_cpu_ms);
    json_set_u64(fields, "codec-efficiency-percent", bottleneck->efficiency);
}

/* ---- verify ------------------------------------------------------------------------------------- */

/* "guest 'web', point 01a2228d8c7747d2" */
static void put_point_of(const struct event *event, struct buf *text)
{
    buf_printf(text, "guest '%s'", event->guest);
    if (event->point_id)
        buf_printf(text, ", point %.*s", EVENTS_ID_SHOWN, event->point_id);
}

void events_put_named_point(const struct event *event, struct json *fields)
{
    json_set_str(fields, "guest", event->guest);
    if (event->point_id)
        json_set_str(fields, "point", event->point_id);
}

static void write_verified(const struct event *event, struct buf *text)
{
    const struct event_done *done = &event->verified;
    char image[UNITS_TEXT_SIZE];
    char usage[UNITS_TEXT_SIZE];
    char time[UNITS_TEXT_SIZE];

    put_point_of(event, text);
    buf_append_str(text, ": good, ");
    events_put_disks(done, text);
    buf_printf(text, ": %s stored in %s, %s", units_format_size(done->sizes.image, image),
               units_format_size(done->sizes.usage, usage),
               units_format_seconds(done->elapsed_ms / 1000, time));
}

static void write_verified_fields(const struct event *event, struct json *fields)
{
    events_put_named_point(event, fields);
    events_put_done(&event->verified, fields);
}

static void write_damage(const struct event *event, struct buf *text)
{
    put_point_of(event, text);
    buf_printf(text, ": %s", event->problem.error);
}

static void write_damage_fields(const struct event *event, struct json *fields)
{
    events_put_named_point(event, fields);
    events_put_problem(&event->problem, fields);
}

static void write_orphan(const struct event *event, struct buf *text)
{
    buf_printf(text,
               "%s/%s: no manifest names this file; the backup it is part of cannot be restored "
               "without its manifest",
               event->orphan.place, event->orphan.file);
}

static void write_orphan_fields(const struct event *event, struct json *fields)
{
    json_set_str(fields, "file", event->orphan.file);
}

static void write_vanished(const struct event *event, struct buf *text)
{
    put_point_of(event, text);
    buf_append_str(text, ": its backup was removed while the archive was being verified");
}

/* ---- copy --------------------------------------------------------------------------------------- */

static void write_copied_before(const struct event *event, struct buf *text)
{
    buf_printf(text, "guest '%s': its backup was copied before, as point %.*s", event->guest,
               EVENTS_ID_SHOWN, event->point_id);
}

/* ---- remove, recover ------------------------------------------------------------------------------ */

static void write_removed(const struct event *event, struct buf *text)
{
    const struct event_removed *removed = &event->removed;
    char when[WHEN_TEXT_SIZE];

    if (event->point_id)
        buf_printf(text,
                   "guest '%s': the point of %s (%.*s), made on %s, is in the trash; virt-backup "
                   "undelete takes it out",
                   event->guest, when_local(removed->time, when), EVENTS_ID_SHOWN, event->point_id,
                   removed->host);
    else
        buf_printf(text, "guest '%s': the backup of %s, made on %s, is removed", event->guest,
                   when_local(removed->time, when), removed->host);
}

static void write_removed_fields(const struct event *event, struct json *fields)
{
    events_put_named_point(event, fields);
    json_set_str(fields, "time", event->removed.time);
    json_set_str(fields, "host", event->removed.host);
}

static void write_recovered(const struct event *event, struct buf *text)
{
    const struct event_recovered *recovered = &event->recovered;
    char when[WHEN_TEXT_SIZE];

    buf_printf(text, "guest '%s': ", event->guest);
    if (recovered->note)
        buf_append_str(text, recovered->note);
    else
        buf_printf(text, "put back; the run of %s had not finished",
                   when_local(recovered->since, when));
}

static void write_recovered_fields(const struct event *event, struct json *fields)
{
    json_set_str(fields, "guest", event->guest);
    json_set_str(fields, "since", event->recovered.since);
}

static void write_dismissed(const struct event *event, struct buf *text)
{
    const struct event_dismissed *dismissed = &event->dismissed;

    buf_printf(text, "guest '%s': dismissed", event->guest);
    for (size_t i = 0; i < dismissed->left_count; i++)
        buf_printf(text, "%s%s", i ? ", " : "; these files are now yours: ", dismissed->left[i]);
    if (dismissed->checkpoint) {
        CLEANUP_FREE char *name = shell_quote_listed(event->guest);
        buf_printf(text,
                   "; to remove its checkpoint %s, if it was made, and those of its backups, run: "
                   "virt-backup checkpoints --remove %s",
                   dismissed->checkpoint, name);
    }
}

static void write_checkpoint(const struct event *event, struct buf *text)
{
    buf_printf(text, "guest '%s': checkpoint %s%s", event->guest, event->checkpoint.name,
               event->checkpoint.removed ? " is removed" : "");
}

static void write_checkpoint_fields(const struct event *event, struct json *fields)
{
    json_set_str(fields, "guest", event->guest);
    json_set_str(fields, "checkpoint", event->checkpoint.name);
    json_set_bool(fields, "removed", event->checkpoint.removed);
}

/* ---- all of them ------------------------------------------------------------------------------------ */

static const struct event_form form_warning = {"warning", EVENT_AS_WARNING, write_warning,
                                               write_warning_fields};
static const struct event_form form_guest_failed = {"guest-failed", EVENT_AS_ERROR, write_failure,
                                                    write_problem_fields};
static const struct event_form form_not_tried = {"guest-not-tried", EVENT_AS_ERROR, write_not_tried,
                                                 write_guest_field};
static const struct event_form form_no_match = {"no-match", EVENT_AS_ERROR, write_no_match,
                                                write_no_match_fields};
static const struct event_form form_bottleneck = {"bottleneck", EVENT_AS_DETAIL, write_bottleneck,
                                                  write_bottleneck_fields};
static const struct event_form form_verified = {"guest-done", EVENT_AS_RESULT, write_verified,
                                                write_verified_fields};
static const struct event_form form_damage = {"damage", EVENT_AS_ERROR, write_damage,
                                              write_damage_fields};
static const struct event_form form_orphan = {"orphan", EVENT_AS_ERROR, write_orphan,
                                              write_orphan_fields};
static const struct event_form form_vanished = {"guest-removed", EVENT_AS_RESULT, write_vanished,
                                                events_put_named_point};
static const struct event_form form_copied_before = {"copied-before", EVENT_AS_RESULT,
                                                     write_copied_before, events_put_named_point};
static const struct event_form form_removed = {"backup-removed", EVENT_AS_RESULT, write_removed,
                                               write_removed_fields};
static const struct event_form form_recovered = {"guest-recovered", EVENT_AS_RESULT,
                                                 write_recovered, write_recovered_fields};
static const struct event_form form_checkpoint = {"checkpoint", EVENT_AS_RESULT, write_checkpoint,
                                                  write_checkpoint_fields};
static const struct event_form form_dismissed = {"guest-dismissed", EVENT_AS_RESULT,
                                                 write_dismissed, write_guest_field};

const struct event_form *events_form(enum event_kind kind)
{
    static const struct event_form *const forms[EVENT_KINDS] = {
        [EVENT_WARNING] = &form_warning,
        [EVENT_GUEST_FAILED] = &form_guest_failed,
        [EVENT_GUEST_NOT_TRIED] = &form_not_tried,
        [EVENT_NO_MATCH] = &form_no_match,
        [EVENT_BOTTLENECK] = &form_bottleneck,
        [EVENT_LOCKS] = &events_locks,
        [EVENT_BACKUP_PLAN] = &events_backup_plan,
        [EVENT_IMAGE_STORED] = &events_image_stored,
        [EVENT_BACKED_UP] = &events_backed_up,
        [EVENT_COPIED_BEFORE] = &form_copied_before,
        [EVENT_RESTORE_PLAN] = &events_restore_plan,
        [EVENT_DISK_RESTORED] = &events_disk_restored,
        [EVENT_RESTORED] = &events_restored,
        [EVENT_LISTED] = &events_listed,
        [EVENT_LISTED_POINT] = &events_listed_point,
        [EVENT_STATUS] = &events_status,
        [EVENT_STATUS_TOTAL] = &events_status_total,
        [EVENT_VERIFIED] = &form_verified,
        [EVENT_DAMAGE] = &form_damage,
        [EVENT_DAMAGED_PACK] = &events_damaged_pack,
        [EVENT_ORPHAN] = &form_orphan,
        [EVENT_VANISHED] = &form_vanished,
        [EVENT_REMOVED] = &form_removed,
        [EVENT_RECOVERED] = &form_recovered,
        [EVENT_DISMISSED] = &form_dismissed,
        [EVENT_CHECKPOINT] = &form_checkpoint,
        [EVENT_JOB_FAILED] = &events_job_failed,
        [EVENT_JOB_OLD] = &events_job_old,
        [EVENT_JOB_UNUSED] = &events_job_unused,
        [EVENT_JOB_LISTED] = &events_job_listed,
        [EVENT_JOB_GOOD] = &events_job_good,
        [EVENT_JOB_SHOWN] = &events_job_shown,
        [EVENT_JOB_GUEST] = &events_job_guest,
        [EVENT_POINT_FAILED] = &events_point_failed,
        [EVENT_POINT_HELD] = &events_point_held,
        [EVENT_POINT_RELEASED] = &events_point_released,
        [EVENT_POINT_TAGGED] = &events_point_tagged,
        [EVENT_POINT_UNTAGGED] = &events_point_untagged,
        [EVENT_POINT_UNDELETED] = &events_point_undeleted,
        [EVENT_POINT_SET_ASIDE] = &events_point_set_aside,
        [EVENT_PRUNE_VERDICT] = &events_prune_verdict,
        [EVENT_POINT_PRUNED] = &events_point_pruned,
        [EVENT_POINT_DAMAGED] = &events_point_damaged,
        [EVENT_PRUNED] = &events_pruned,
        [EVENT_PRUNE_SKIPPED] = &events_prune_skipped,
        [EVENT_SIMULATED] = &events_simulated,
        [EVENT_COLLECTION] = &events_collection,
        [EVENT_POINT_SPARED] = &events_point_spared,
        [EVENT_POINT_TAKEN] = &events_point_taken,
        [EVENT_POINT_COLLECTED] = &events_point_collected,
        [EVENT_POINT_STUCK] = &events_point_stuck,
        [EVENT_SESSION_WAITED] = &events_session_waited,
        [EVENT_SESSION_FENCED] = &events_session_fenced,
        [EVENT_COLLECTED] = &events_collected,
        [EVENT_SCOPE_FAILED] = &events_scope_failed,
        [EVENT_REPOSITORY_MADE] = &events_repository_made,
        [EVENT_JOB_DELAYED] = &events_job_delayed,
        [EVENT_JOB_TROUBLE] = &events_job_trouble,
        [EVENT_JOB_BACKED_UP] = &events_job_backed_up,
        [EVENT_JOB_TOLD_FAILED] = &events_job_told_failed,
        [EVENT_JOB_GUEST_LEFT] = &events_job_guest_left,
        [EVENT_JOB_NOT_PRUNED] = &events_job_not_pruned,
        [EVENT_JOB_STEP_DONE] = &events_job_step_done,
        [EVENT_JOB_STEP_FAILED] = &events_job_step_failed,
        [EVENT_JOB_STEP_TOLD_FAILED] = &events_job_step_told_failed,
        [EVENT_JOB_STEP_LEFT] = &events_job_step_left,
        [EVENT_JOB_DONE] = &events_job_done,
        [EVENT_FINDING] = &events_finding,
        [EVENT_EXAMINED] = &events_examined,
    };

    return kind < EVENT_KINDS ? forms[kind] : NULL;
}

char *events_text(const struct event *event)
{
    struct buf text = {0};

    events_form(event->kind)->write_text(event, &text);
    return buf_take_str(&text);
}

struct json *events_fields(const struct event *event)
{
    struct json *fields = json_new_object();

    events_form(event->kind)->write_fields(event, fields);
    return fields;
}
