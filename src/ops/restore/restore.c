/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/restore/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/quit.h"
#include "base/when.h"
#include "ops/backup_sizes.h"
#include "guest/pools.h"
#include "ops/host_key.h"
#include "ops/undo/recover.h"
#include "ops/restore/destination.h"
#include "ops/restore/hold.h"
#include "ops/guests/select.h"
#include "ops/undo/state_dir.h"

/* The UUID and time of a guest's backup; false if its manifest cannot be read. */
static bool look_at_backup(struct points_store *store, const struct selection *guests, size_t index,
                           char **ret_uuid, char **ret_time)
{
    CLEANUP(points_closep) struct point *backup = NULL;

    if (points_open(store, guests->names[index], guests->points[index], &backup, NULL) < 0)
        return false;
    *ret_uuid = mem_strdup(points_manifest(backup)->domain_uuid);
    *ret_time = mem_strdup(points_manifest(backup)->time);
    return true;
}

/* A guest that was renamed has a backup under each name. If all guests are restored, only the
 * newest of those is. */
static void leave_out_former_names(struct points_store *store, struct selection *guests,
                                   const struct report *report)
{
    CLEANUP_STRINGS struct strings uuids = {0};
    CLEANUP_STRINGS struct strings times = {0};
    CLEANUP_FREE size_t *places = mem_array(guests->count, sizeof(*places));

    for (size_t i = 0; i < guests->count; i++) {
        char *uuid = NULL;
        char *time = NULL;
        if (!guests->chosen[i] || !look_at_backup(store, guests, i, &uuid, &time))
            continue;
        places[uuids.count] = i;
        strings_take(&uuids, uuid);
        strings_take(&times, time);
    }
    for (size_t i = 0; i < uuids.count; i++)
        for (size_t j = 0; j < uuids.count; j++) {
            if (strcasecmp(uuids.items[i], uuids.items[j]) != 0 ||
                strcmp(times.items[i], times.items[j]) >= 0 || !guests->chosen[places[i]])
                continue;
            guests->chosen[places[i]] = false;
            report_warning(report, guests->names[places[i]],
                           &(struct warning){WARNING_RENAMED_SINCE,
                                             .guest = guests->names[places[j]],
                                             .newer = times.items[j], .time = times.items[i]});
        }
}

static int check_map(const struct disk_map *map, size_t chosen, struct err *err)
{
    if (!map->guest && chosen > 1)
        return err_set(
            err, ERR_USAGE,
            "--disk-map %s=%s: several guests are to be restored; use --disk-map GUEST:%s=%s",
            map->target, map->path, map->target, map->path);
    return 0;
}

/* One map for each guest that is meant, with its name. */
static void expand_maps(const struct restore_run *run, const struct selection *guests,
                        struct outcome *outcome, struct restore_options *options)
{
    struct disk_map *maps = mem_array(options->map_count * (guests->count + 1), sizeof(*maps));
    CLEANUP_FREE bool *meant = mem_array(guests->count, sizeof(*meant));
    size_t count = 0;

    for (size_t i = 0; i < options->map_count; i++) {
        struct disk_map map = options->maps[i];
        const char *word = map.guest;
        size_t before = count;
        memset(meant, 0, guests->count * sizeof(*meant));
        if (word)
            (void)select_mark_in_store(run->store, guests, word, meant);
        if (!word)
            maps[count++] = map;
        for (size_t j = 0; word && j < guests->count; j++) {
            map.guest = guests->names[j];
            if (meant[j] && guests->chosen[j])
                maps[count++] = map;
        }
        if (count > before)
            continue;
        const struct event_no_match no_match = {NO_MATCH_RESTORED, "--disk-map", word, NULL};
        report_no_match(run->report, outcome, &no_match);
    }
    options->maps = maps;
    options->map_count = count;
}

static bool has_target(const struct manifest *manifest, const char *word)
{
    for (size_t i = 0; i < manifest->disk_count; i++)
        if (select_target_is_meant(word, manifest->disks[i].target, manifest))
            return true;
    return false;
}

/* The words of --disks, which are about the one guest that is chosen. */
static int check_disks(const struct restore_run *run, const char *guest, const char *id,
                       struct outcome *outcome, struct err *err)
{
    const struct name_list *words = &run->options->disks;
    CLEANUP(points_closep) struct point *backup = NULL;
    size_t found = 0;

    if (words->count == 0 || points_open(run->store, guest, id, &backup, NULL) < 0)
        return 0; /* that is reported when it is restored */
    const struct manifest *manifest = points_manifest(backup);
    for (size_t i = 0; i < words->count; i++)
        found += has_target(manifest, words->names[i]);
    if (found == 0)
        return err_set(err, ERR_NOT_FOUND, "guest '%s': the backup has no disk '%s'", guest,
                       words->names[0]);
    for (size_t i = 0; i < words->count; i++) {
        const struct event_no_match no_match = {NO_MATCH_DISK_IN_BACKUP, "--disks", words->names[i],
                                                guest};
        if (!has_target(manifest, words->names[i]))
            report_no_match(run->report, outcome, &no_match);
    }
    return 0;
}

static int choose_backups(const struct restore_run *run, struct outcome *outcome,
                          struct selection *guests, struct err *err)
{
    const struct restore_options *options = run->options;
    const struct select_request request = {.wanted = &options->domains,
                                           .excluded = &options->exclude_domains,
                                           .report = run->report,
                                           .outcome = outcome};
    size_t chosen = 0;

    if (select_from_store(run->store, &request, guests, err) < 0 ||
        select_points(run->store, &request, guests, options->point, err) < 0)
        return -1;
    for (size_t i = 0; i < guests->count; i++)
        chosen += guests->chosen[i];
    if (chosen > 1 && (options->new_name || options->disks.count))
        return err_set(err, ERR_USAGE,
                       "--new-name and --disks apply to a single guest; name it with "
                       "--domain-names");
    for (size_t i = 0; i < options->map_count; i++)
        if (check_map(&options->maps[i], chosen, err) < 0)
            return -1;
    for (size_t i = 0; i < guests->count; i++)
        if (guests->chosen[i] &&
            check_disks(run, guests->names[i], guests->points[i], outcome, err) < 0)
            return -1;
    return 0;
}

/* Clears `chosen` of each guest it starts on. */
static int restore_guests(struct restore_run *run, struct selection *guests,
                          struct outcome *outcome, struct err *err)
{
    course_begin(&run->course, run->report, guests->chosen, guests->count);
    if (course_wants_estimates(&run->course) && !run->options->dry_run)
        for (size_t i = 0; i < guests->count; i++)
            if (guests->chosen[i])
                course_estimate(
                    &run->course, i,
                    backup_sizes_expected(run->store, guests->names[i], guests->points[i]));
    for (size_t i = 0; i < guests->count; i++) {
        CLEANUP_ERR struct err guest_err = ERR_INIT;
        if (!guests->chosen[i])
            continue;
        if (quit_check(err) < 0)
            return -1;
        guests->chosen[i] = false;
        course_next(&run->course, i);
        run->busy = run->stranded = false;
        if (run->hypervisor)
            hypervisor_revive(run->hypervisor);
        const char *name = run->options->new_name ? run->options->new_name : guests->names[i];
        if (restore_guest(run, guests->names[i], guests->points[i], &guest_err) == 0) {
            outcome->good++;
            continue;
        }
        err_prefix(&guest_err, "guest '%s'", name);
        if (guest_err.kind == ERR_CANCELLED) {
            outcome->failed++;
            return err_move(err, &guest_err);
        }
        outcome->busy += run->busy;
        outcome->stranded = outcome->stranded || run->stranded;
        report_failure(run->report, outcome, name, &guest_err);
    }
    return 0;
}

static void refresh_pools(const struct restore_run *run)
{
    CLEANUP_STRINGS struct strings failures = {0};

    if (run->hypervisor && run->folders.count)
        pools_refresh(run->hypervisor, &run->folders, &failures);
    for (size_t i = 0; i < failures.count; i++)
        report_warning(run->report, NULL,
                       &(struct warning){WARNING_POOL_NOT_REFRESHED, .why = failures.items[i]});
}

static void restore_run_clear(struct restore_run *run)
{
    children_end(&run->children);
    course_clear(&run->course);
    strings_clear(&run->told);
    claims_clear(&run->claims);
    restore_needs_clear(&run->planned);
    strings_clear(&run->folders);
    if (run->state_fd >= 0)
        close(run->state_fd);
    hypervisor_close(run->hypervisor);
    host_key_free(run->key);
    points_store_close(run->store);
}

/* The first block device that a disk is restored to; NULL: none. */
static const char *find_device(const struct restore_options *placed)
{
    struct stat st;

    for (size_t i = 0; i < placed->map_count; i++)
        if (stat(placed->maps[i].path, &st) == 0 && S_ISBLK(st.st_mode))
            return placed->maps[i].path;
    return NULL;
}

/* Only libvirt knows whether a guest uses what is written to: a disk that is put back in its place
 * belongs to one, and so may a device. */
static int open_libvirt(struct restore_run *run, struct err *err)
{
    const struct restore_options *options = run->options;
    const char *device = find_device(options);

    if (options->disks.count && !options->original_places && !device)
        return 0;
    if (hypervisor_open(options->uri, &run->hypervisor, err) == 0)
        return 0;
    return options->disks.count && device
               ? err_append(err, "without it nobody can tell whether a guest uses %s", device)
               : -1;
}

int restore_run(const struct restore_options *options, struct spawner *spawner,
                const struct report *report, struct outcome *ret_outcome, struct err *err)
{
    struct restore_options placed = *options;
    struct points_place source = options->source;
    CLEANUP_FREE const struct disk_map *maps = NULL;
    CLEANUP_FREE char *destination = NULL;
    struct selection guests CLEANUP(selection_clear) = {0};
    bool exists = false;
    struct restore_run run CLEANUP(restore_run_clear) = {
        .options = &placed,
        .state_fd = -1,
        .report = report,
        .children = {.spawner = spawner,
                     .options = &options->children,
                     .decode = true,
                     .block_digests = options->source.is_repository},
    };

    /* ends before the store */
    struct restore_holds holds CLEANUP(restore_holds_end) = {
        .store = NULL, .points = &guests, .report = report, .outcome = ret_outcome};

    if (points_store_open(&source, &run.store, err) < 0 ||
        choose_backups(&run, ret_outcome, &guests, err) < 0)
        return -1;
    expand_maps(&run, &guests, ret_outcome, &placed);
    maps = placed.maps;
    if (options->domains.count == 0)
        leave_out_former_names(run.store, &guests, report);
    holds.store = run.store;
    if (options->hold && !options->dry_run && restore_holds_begin(&holds, err) < 0)
        return -1;
    if (open_libvirt(&run, err) < 0)
        return -1;
    children_warn(&options->children, report);
    run.key = host_key_for_reading(report);
    if (!options->original_places &&
        (restore_destination_find(options->destination, &destination, &exists, err) < 0 ||
         (!exists && !options->dry_run && restore_destination_make(destination, err) < 0)))
        return -1;
    int result = 0;
    if (options->dry_run)
        recover_tell(report);
    else if (state_dir_open(&run.state_fd, err) < 0 ||
             recover_before(run.state_fd, &run.told, report, err) < 0)
        result = -1;
    placed.destination = destination;
    if (result == 0)
        result = restore_guests(&run, &guests, ret_outcome, err);
    for (size_t i = 0; i < guests.count; i++)
        if (guests.chosen[i] && quit_requested())
            report_not_tried(report, options->new_name ? options->new_name : guests.names[i]);
    if (result == 0 && !options->dry_run)
        recover_again(run.state_fd, &run.told, report);
    refresh_pools(&run);
    if (destination && !exists && !options->dry_run && ret_outcome->good == 0)
        (void)rmdir(destination); /* only if it is empty */
    ret_outcome->sizes = run.sizes;
    work_tell(&run.children.work, report);
    if (result < 0)
        ret_outcome->signal = quit_requested();
    return result;
}
