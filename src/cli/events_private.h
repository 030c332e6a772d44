/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For events*.c only: the forms, and what several of them share.
 */
#pragma once

#include "cli/events.h"

extern const struct event_form events_locks;
extern const struct event_form events_backup_plan;
extern const struct event_form events_image_stored;
extern const struct event_form events_backed_up;
extern const struct event_form events_restore_plan;
extern const struct event_form events_disk_restored;
extern const struct event_form events_restored;
extern const struct event_form events_listed;
extern const struct event_form events_listed_point;
extern const struct event_form events_job_failed;
extern const struct event_form events_job_old;
extern const struct event_form events_job_unused;
extern const struct event_form events_job_listed;
extern const struct event_form events_job_good;
extern const struct event_form events_job_shown;
extern const struct event_form events_job_guest;
extern const struct event_form events_damaged_pack;
extern const struct event_form events_status;
extern const struct event_form events_status_total;
extern const struct event_form events_point_failed;
extern const struct event_form events_point_held;
extern const struct event_form events_point_released;
extern const struct event_form events_point_tagged;
extern const struct event_form events_point_untagged;
extern const struct event_form events_point_undeleted;
extern const struct event_form events_point_set_aside;
extern const struct event_form events_prune_verdict;
extern const struct event_form events_point_pruned;
extern const struct event_form events_point_damaged;
extern const struct event_form events_pruned;
extern const struct event_form events_prune_skipped;
extern const struct event_form events_simulated;
extern const struct event_form events_collection;
extern const struct event_form events_point_spared;
extern const struct event_form events_point_taken;
extern const struct event_form events_point_collected;
extern const struct event_form events_point_stuck;
extern const struct event_form events_session_waited;
extern const struct event_form events_session_fenced;
extern const struct event_form events_collected;
extern const struct event_form events_scope_failed;
extern const struct event_form events_repository_made;
extern const struct event_form events_job_delayed;
extern const struct event_form events_job_trouble;
extern const struct event_form events_job_backed_up;
extern const struct event_form events_job_told_failed;
extern const struct event_form events_job_guest_left;
extern const struct event_form events_job_not_pruned;
extern const struct event_form events_job_step_done;
extern const struct event_form events_job_step_failed;
extern const struct event_form events_job_step_told_failed;
extern const struct event_form events_job_step_left;
extern const struct event_form events_job_done;
extern const struct event_form events_finding;
extern const struct event_form events_examined;

/* Of the id of a point, so many digits are shown to people: its time, and 16 random bits. */
#define EVENTS_ID_SHOWN 16

/* "2 disks and memory" */
void events_put_disks(const struct event_done *done, struct buf *text);
/* The members that it has for every verb. */
void events_put_done(const struct event_done *done, struct json *fields);
/* "live", "pause", "save", "offline", "none": how a guest was captured. */
const char *events_method(enum manifest_consistency consistency);
/* "memory", "shut-off", "frozen", "crash": what makes its disks consistent. */
const char *events_consistency(enum manifest_consistency consistency);
/* Arrays with an object for each disk, or other file: which it is, and what put adds. */
typedef void events_put_item(const struct event_item *item, struct json *object);
struct json *events_disks(const struct event_items *disks, events_put_item *put);
struct json *events_extras(const struct event_items *extras, events_put_item *put);
/* Members "guest" and, if it is about a point of a store that has several of a guest, "point". */
void events_put_named_point(const struct event *event, struct json *fields);
/* Members "kind" and "error". */
void events_put_problem(const struct event_problem *problem, struct json *fields);
/* An array of {"what": "os/kernel: /srv/vmlinuz"}. */
struct json *events_findings(const struct definition_findings *findings);
