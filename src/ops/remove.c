/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/verbs.h"

#include "base/quit.h"
#include "ops/guests/select.h"
#include "ops/points/points.h"

struct remove_run {
    const struct remove_options *options;
    struct points_place place;
    const struct report *report;
    struct points_store *store;
    struct points_writer *writer;
};

/* 1: the user said no. */
static int remove_guest(struct remove_run *run, const char *guest, bool *ret_busy, struct err *err)
{
    CLEANUP(points_closep) struct point *backup = NULL;

    if (points_open(run->store, guest, NULL, &backup, err) < 0) {
        if (err && err->kind == ERR_CORRUPT)
            err_append(err,
                       "it does not say which files belong to the backup; delete them by hand");
        return -1;
    }
    const struct manifest *manifest = points_manifest(backup);
    const struct remove_candidate candidate = {
        .guest = guest,
        .time = manifest->time,
        .host = manifest->host,
        .path = points_place(backup),
    };
    if (!run->options->confirm(run->options->opaque, &candidate))
        return quit_check(err) < 0 ? -1 : 1;
    if (!run->writer && points_writer_open(&run->place, &run->writer, err) < 0)
        return -1;
    if (points_remove(run->writer, backup, run->options->wait_ms, err) < 0) {
        *ret_busy = err && err->kind == ERR_BUSY;
        return -1;
    }
    report_event(run->report, &(struct event){.kind = EVENT_REMOVED,
                                              .guest = manifest->domain_name,
                                              .removed = {manifest->time, manifest->host}});
    return 0;
}

/* Clears `chosen` of each guest it starts on. */
static int remove_guests(struct remove_run *run, struct selection *guests, struct outcome *outcome,
                         struct err *err)
{
    for (size_t i = 0; i < guests->count; i++) {
        CLEANUP_ERR struct err guest_err = ERR_INIT;
        bool busy = false;
        if (!guests->chosen[i])
            continue;
        if (quit_check(err) < 0)
            return -1;
        guests->chosen[i] = false;
        int result = remove_guest(run, guests->names[i], &busy, &guest_err);
        if (result >= 0) {
            outcome->good += result == 0;
            continue;
        }
        err_prefix(&guest_err, "guest '%s'", guests->names[i]);
        if (guest_err.kind == ERR_CANCELLED) {
            outcome->failed++;
            return err_move(err, &guest_err);
        }
        outcome->busy += busy;
        report_failure(run->report, outcome, guests->names[i], &guest_err);
    }
    return 0;
}

static void remove_run_clear(struct remove_run *run)
{
    points_writer_close(run->writer);
    points_store_close(run->store);
}

int remove_run(const struct remove_options *options, const struct report *report,
               struct outcome *ret_outcome, struct err *err)
{
    struct selection guests CLEANUP(selection_clear) = {0};
    const struct select_request request = {
        .wanted = &options->domains, .report = report, .outcome = ret_outcome};
    struct remove_run run CLEANUP(remove_run_clear) = {
        .options = options,
        .place = {.path = options->archive, .parser = options->parser},
        .report = report};

    if (points_store_open(&run.place, &run.store, err) < 0 ||
        select_from_store(run.store, &request, &guests, err) < 0)
        return -1;
    int result = remove_guests(&run, &guests, ret_outcome, err);
    for (size_t i = 0; i < guests.count; i++)
        if (guests.chosen[i])
            report_not_tried(report, guests.names[i]);
    if (result < 0)
        ret_outcome->signal = quit_requested();
    return result;
}
