/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/backup/guest.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/quit.h"
#include "guest/definition/definition.h"
#include "ops/guests/host_guests.h"
#include "ops/host_key.h"
#include "ops/point_notes.h"
#include "ops/undo/intent.h"
#include "ops/undo/recover.h"
#include "ops/guests/select.h"
#include "ops/undo/state_dir.h"

struct guests {
    struct guest **list; /* owned */
    size_t count;
};

static void guests_clear(struct guests *guests)
{
    guest_list_free(guests->list, guests->count);
}

static int choose_guests(const struct backup_run *run, const struct guests *guests,
                         struct outcome *outcome, bool *ret_chosen, struct strings *ret_excluded,
                         struct err *err)
{
    const struct guest_choice *choice = &run->options->choice;
    CLEANUP_HOST_GUESTS struct host_guests there = {0};

    host_guests_describe(guests->list, guests->count, host_guests_need_details(choice), &there);
    const struct select_request request = {
        .names = (const char *const *)there.names.items,
        .uuids = (const char *const *)there.uuids.items,
        .count = there.count,
    };
    select_expand_disks(&request, &run->options->exclude_disks, ret_excluded);
    return host_guests_choose(&there, choice, run->report, outcome, ret_chosen, err);
}

/* ---- --exclude-disk ------------------------------------------------------------------ */

static bool guest_has_disk(struct guest *guest, const char *word)
{
    static const enum guest_xml_kind kinds[] = {GUEST_XML_PERSISTENT, GUEST_XML_LIVE};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        CLEANUP_FREE char *text = NULL;
        CLEANUP(xml_freep) struct xml_doc *doc = NULL;
        CLEANUP_DEFINITION_DISKS struct definition_disks disks = {0};
        if (guest_get_xml(guest, kinds[i], &text, NULL) < 0)
            continue;
        doc = xml_parse(text, strlen(text), NULL);
        if (!doc || definition_read_disks(doc, &disks, NULL) < 0)
            continue;
        for (size_t j = 0; j < disks.count; j++) {
            const struct select_disk disk = {guest_name(guest), guest_uuid(guest),
                                             disks.disks[j].target};
            if (select_disk_matches(word, &disk))
                return true;
        }
    }
    return false;
}

static bool any_has_disk(const char *word, const struct guests *guests, const bool *chosen)
{
    for (size_t i = 0; i < guests->count; i++)
        if (chosen[i] && guest_has_disk(guests->list[i], word))
            return true;
    return false;
}

/* A misspelt disk is backed up after all: more than was asked for, so it is reported. */
static void check_excluded_disks(const struct backup_run *run, const struct guests *guests,
                                 const bool *chosen, struct outcome *outcome)
{
    const struct name_list *excluded = &run->options->exclude_disks;

    for (size_t i = 0; i < excluded->count; i++) {
        const char *word = excluded->names[i];
        const struct event_no_match no_match = {NO_MATCH_DISK, "--exclude-disk", word, NULL};
        if (!any_has_disk(word, guests, chosen))
            report_no_match(run->report, outcome, &no_match);
    }
}

/* ---- the guests, one after another ----------------------------------------------------- */

/* Backs up one guest. A guest's own error is reported and the run goes on; -1 only if the whole run
 * is to stop, because a signal came. */
static int take_guest(struct backup_run *run, struct guest *guest, struct outcome *outcome,
                      struct err *err)
{
    CLEANUP_ERR struct err guest_err = ERR_INIT;
    bool stranded = false;

    run->busy = false;
    hypervisor_revive(run->hypervisor);
    int result = run->options->dry_run ? backup_plan_guest(run, guest, &guest_err)
                                       : backup_guest(run, guest, &stranded, &guest_err);
    outcome->stranded = outcome->stranded || stranded;
    if (result == 0) {
        outcome->good++;
        return 0;
    }
    err_prefix(&guest_err, "guest '%s'", guest_name(guest));
    if (guest_err.kind == ERR_CANCELLED && !stranded) {
        outcome->failed++;
        return err_move(err, &guest_err);
    }
    outcome->busy += run->busy;
    report_failure(run->report, outcome, guest_name(guest), &guest_err);
    return 0;
}

static bool is_stranded(const struct backup_run *run, struct guest *guest)
{
    return run->state_fd >= 0 && intent_exists(run->state_fd, guest_uuid(guest));
}

/* Clears `left` of each guest it starts on. Guests that an earlier run did not put back come last,
 * so that no other guest waits while that is tried again. */
static int take_chosen(struct backup_run *run, const struct guests *guests, bool *left,
                       struct outcome *outcome, struct err *err)
{
    for (int stranded = 0; stranded < 2; stranded++) {
        if (stranded && run->state_fd >= 0)
            recover_again(run->state_fd, &run->told, run->report);
        for (size_t i = 0; i < guests->count; i++) {
            struct guest *guest = guests->list[i];
            if (!left[i] || (!stranded && is_stranded(run, guest)))
                continue;
            if (quit_check(err) < 0)
                return -1;
            left[i] = false;
            course_next(&run->course, i);
            if (take_guest(run, guest, outcome, err) < 0)
                return -1;
        }
    }
    return 0;
}

static int take_guests(struct backup_run *run, const struct guests *guests, bool *chosen,
                       struct outcome *outcome, struct err *err)
{
    course_begin(&run->course, run->report, chosen, guests->count);
    bool survey = !run->options->dry_run && course_wants_estimates(&run->course);
    for (size_t i = 0; survey && i < guests->count; i++) {
        if (!chosen[i])
            continue;
        if (quit_check(err) < 0)
            return -1;
        course_estimate(&run->course, i, backup_survey_guest(run, guests->list[i]));
    }
    return take_chosen(run, guests, chosen, outcome, err);
}

/* Nothing has gone wrong yet, so it is not a warning. */
static void tell_of_locks(const struct backup_run *run)
{
    CLEANUP_FREE char *type = points_writer_lone_file_system(run->writer);

    if (type)
        report_event(run->report,
                     &(struct event){.kind = EVENT_LOCKS,
                                     .locks = {points_writer_place(run->writer), type}});
}

/* Put right what an earlier run left behind, before anything is begun. */
static int open_places(struct backup_run *run, const struct guests *guests, struct err *err)
{
    CLEANUP_STRINGS struct strings uuids = {0};

    if (state_dir_open(&run->state_fd, err) < 0 ||
        recover_before(run->state_fd, &run->told, run->report, err) < 0)
        return -1;
    for (size_t i = 0; i < guests->count; i++)
        strings_add(&uuids, guest_uuid(guests->list[i]));
    point_notes_sweep(run->state_fd, &uuids, time(NULL));
    run->key = host_key_for_backup(run->report);
    if (points_writer_open(&run->options->destination, &run->writer, err) < 0)
        return -1;
    tell_of_locks(run);
    return 0;
}

static void backup_run_clear(struct backup_run *run)
{
    children_end(&run->children);
    course_clear(&run->course);
    strings_clear(&run->told);
    if (run->state_fd >= 0)
        close(run->state_fd);
    points_writer_close(run->writer);
    host_key_free(run->key);
    hypervisor_close(run->hypervisor);
}

int backup_run(const struct backup_options *options, struct spawner *spawner,
               const struct report *report, struct outcome *ret_outcome, struct err *err)
{
    struct backup_run run CLEANUP(backup_run_clear) = {
        .options = options,
        .state_fd = -1,
        .report = report,
        .children = {.spawner = spawner,
                     .options = &options->children,
                     .digests_known = options->destination.is_repository},
    };
    struct guests guests CLEANUP(guests_clear) = {0};
    CLEANUP_STRINGS struct strings excluded = {0};
    struct backup_options expanded = *options;

    if (hypervisor_open(options->uri, &run.hypervisor, err) < 0 ||
        hypervisor_list(run.hypervisor, &guests.list, &guests.count, err) < 0)
        return -1;
    CLEANUP_FREE bool *chosen = mem_array(guests.count, sizeof(*chosen));
    if (choose_guests(&run, &guests, ret_outcome, chosen, &excluded, err) < 0)
        return -1;
    check_excluded_disks(&run, &guests, chosen, ret_outcome);
    expanded.exclude_disks =
        (struct name_list){(const char *const *)excluded.items, excluded.count};
    run.options = &expanded;
    if (children_warn_buffer(&options->children, &options->codec, report, err) < 0)
        return -1;
    children_warn(&options->children, report);
    if (options->dry_run)
        recover_tell(report);
    int result = options->dry_run ? 0 : open_places(&run, &guests, err);
    if (result == 0)
        result = take_guests(&run, &guests, chosen, ret_outcome, err);
    for (size_t i = 0; i < guests.count; i++)
        if (chosen[i] && quit_requested())
            report_not_tried(report, guest_name(guests.list[i]));
    ret_outcome->sizes = run.sizes;
    work_tell(&run.children.work, report);
    if (result < 0)
        ret_outcome->signal = quit_requested();
    return result;
}
