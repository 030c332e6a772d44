/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/status.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "ops/guests/host_guests.h"
#include "ops/guests/select.h"
#include "ops/metrics.h"
#include "ops/points/repository_results.h"
#include "ops/points/scopes.h"

static void clear_guest(struct status_guest *guest)
{
    free(guest->name);
    free(guest->uuid);
    free(guest->point);
    free(guest->place);
    free(guest->scope);
    free(guest->unreadable);
    free(guest->failure.verb);
    free(guest->failure.job);
    free(guest->failure.host);
    free(guest->failure.reason);
}

void status_clear(struct status *status)
{
    for (size_t i = 0; i < status->count; i++)
        clear_guest(&status->guests[i]);
    free(status->guests);
    results_clear(&status->results);
    *status = (struct status){0};
}

static struct status_guest *find_status_guest(struct status *status, const char *uuid)
{
    for (size_t i = 0; i < status->count; i++)
        if (strcmp(status->guests[i].uuid, uuid) == 0)
            return &status->guests[i];
    return NULL;
}

static struct status_guest *add_status_guest(struct status *status, const char *name,
                                             const char *uuid)
{
    status->guests = mem_resize(status->guests, status->count + 1, sizeof(*status->guests));
    struct status_guest *guest = &status->guests[status->count++];
    *guest = (struct status_guest){.name = mem_strdup(name), .uuid = mem_strdup(uuid)};
    return guest;
}

/* ---- the host --------------------------------------------------------------------------------- */

static int look_at_host(const char *uri, struct status *status, struct err *err)
{
    CLEANUP_HOST_GUESTS struct host_guests found = {0};

    if (host_guests_list(uri, false, &found, err) < 0)
        return -1;
    for (size_t i = 0; i < found.count; i++)
        if (!find_status_guest(status, found.uuids.items[i]))
            add_status_guest(status, found.names.items[i], found.uuids.items[i])->on_host = true;
    return 0;
}

/* ---- a store ---------------------------------------------------------------------------------- */

struct status_place {
    const struct points_place *place;
    const char *scope; /* of a repository; else NULL */
    struct points_store *store;
    struct status *status;
};

static bool is_ahead(const struct status *status, int64_t time_ms)
{
    return time_ms > status->now_ms + STATUS_AHEAD_MS;
}

static bool is_good_entry(const struct status *status, const struct points_entry *entry)
{
    return entry->complete && !entry->problem && !entry->damaged && !entry->trashed &&
           !is_ahead(status, entry->time_ms);
}

static void take_newest(const struct status_place *place, const struct points_entry *entry,
                        struct status_guest *guest)
{
    free(guest->point);
    free(guest->place);
    free(guest->scope);
    guest->point = mem_strdup(entry->id ? entry->id : "");
    guest->place = mem_strdup(points_store_place(place->store));
    guest->scope = place->scope ? mem_strdup(place->scope) : NULL;
    guest->taken_ms = entry->time_ms;
    guest->size = entry->size;
    guest->stored = entry->stored;
}

static void look_at_entry(const struct status_place *place, const struct points_entry *entry,
                          struct status_guest *guest)
{
    if (entry->trashed || !(entry->complete || entry->problem))
        return;
    guest->points++;
    guest->damaged += entry->damaged || entry->problem;
    guest->ahead += is_ahead(place->status, entry->time_ms);
    if (entry->verified_ms > guest->verified_ms)
        guest->verified_ms = entry->verified_ms;
    if (is_good_entry(place->status, entry) && (!guest->point || entry->time_ms >= guest->taken_ms))
        take_newest(place, entry, guest);
}

/* Of a store that has it in the manifest alone. */
static char *read_uuid(struct points_store *store, const char *name, struct err *err)
{
    CLEANUP(points_closep) struct point *point = NULL;

    return points_open(store, name, NULL, &point, err) < 0
               ? NULL
               : mem_strdup(points_manifest(point)->domain_uuid);
}

/* A guest whose UUID cannot be read is told from others by its name. */
static struct status_guest *guest_in_store(const struct status_place *place, const char *name,
                                           struct err *why)
{
    CLEANUP_FREE char *known = points_store_guest_uuid(place->store, name);
    CLEANUP_FREE char *read = known ? NULL : read_uuid(place->store, name, why);
    const char *uuid = known ? known : read ? read : "";
    struct status_guest *guest = uuid[0] ? find_status_guest(place->status, uuid) : NULL;

    for (size_t i = 0; !uuid[0] && !guest && i < place->status->count; i++)
        if (strcmp(place->status->guests[i].name, name) == 0)
            guest = &place->status->guests[i];
    return guest ? guest : add_status_guest(place->status, name, uuid);
}

static void look_at_guest(const struct status_place *place, const char *name)
{
    CLEANUP_POINTS_LIST struct points_list list = {0};
    CLEANUP_ERR struct err why = ERR_INIT;
    struct status_guest *guest = guest_in_store(place, name, &why);

    if (why.kind == ERR_NONE && points_list(place->store, name, &list, &why) == 0) {
        for (size_t i = 0; i < list.count; i++)
            look_at_entry(place, &list.all[i], guest);
        return;
    }
    free(guest->unreadable);
    guest->unreadable = TAKE_PTR(why.text);
}

static int look_at_store(struct status *status, const struct points_place *where, struct err *err)
{
    struct status_place place = {where, where->scope, NULL, status};
    CLEANUP(points_store_closep) struct points_store *store = NULL;
    CLEANUP_STRINGS struct strings names = {0};

    if (points_store_open(where, &store, err) < 0 || points_store_guests(store, &names, err) < 0)
        return -1;
    place.store = store;
    for (size_t i = 0; i < names.count; i++)
        look_at_guest(&place, names.items[i]);
    return where->is_repository ? points_repository_results(where, &status->results, err) : 0;
}

struct status_scopes {
    struct status *status;
    const struct points_place *place;
};

static int look_at_scope(void *opaque, const struct repository *repository, const char *scope,
                         struct err *err)
{
    const struct status_scopes *scopes = opaque;
    struct points_place place = *scopes->place;

    (void)repository;
    place.scope = scope;
    return look_at_store(scopes->status, &place, err);
}

/* A backup makes the folder, but not those above it: what is not mounted is not taken for new. */
static bool is_folder_to_come(const char *path)
{
    CLEANUP_FREE char *clean = mem_strdup(path);
    struct stat st;

    for (size_t len = strlen(clean); len > 1 && clean[len - 1] == '/'; len--)
        clean[len - 1] = '\0';
    char *slash = strrchr(clean, '/');
    if (!slash || stat(clean, &st) == 0 || errno != ENOENT)
        return false;
    slash[slash == clean] = '\0';
    return stat(clean, &st) == 0 && S_ISDIR(st.st_mode);
}

static int look_at_place(struct status *status, const struct points_place *place, bool new_ok,
                         const struct report *report, struct err *err)
{
    struct outcome outcome = {0};
    struct status_scopes scopes = {status, place};
    const struct scopes_request request = {.url = place->path,
                                           .parser = place->parser,
                                           .scope = place->scope,
                                           .new_ok = new_ok,
                                           .report = report,
                                           .outcome = &outcome};

    if (!place->is_repository)
        return new_ok && is_folder_to_come(place->path) ? 0 : look_at_store(status, place, err);
    if (scopes_run(&request, &(struct scopes_each){look_at_scope, &scopes}, err) < 0)
        return -1;
    return outcome.failed
               ? err_set(err, ERR_CORRUPT, "%s: not all of its scopes can be read", place->path)
               : 0;
}

/* ---- what has become of runs ------------------------------------------------------------------ */

static void take_failure(const struct run_result *result, struct status_guest *guest)
{
    free(guest->failure.verb);
    free(guest->failure.job);
    free(guest->failure.host);
    free(guest->failure.reason);
    guest->failure.verb = mem_strdup(result->verb);
    guest->failure.job = result->job ? mem_strdup(result->job) : NULL;
    guest->failure.host = mem_strdup(result->host);
    guest->failure.reason = result->reason ? mem_strdup(result->reason) : NULL;
    guest->failure.ended_s = result->ended_s;
    guest->failure.status = result->status;
    guest->failure.open = true;
}

/* Results come in the order of time. A success of the future says nothing about the failures before it. */
static void look_at_result(const struct status *status, const struct run_result *result,
                           struct status_guest *guest)
{
    if (result->status != 0)
        take_failure(result, guest);
    else if (result->ended_s <= (status->now_ms + STATUS_AHEAD_MS) / 1000 && guest->failure.verb &&
             strcmp(guest->failure.verb, result->verb) == 0)
        guest->failure.open = false;
}

static void look_at_results(struct status *status)
{
    results_sort(&status->results);
    for (size_t i = 0; i < status->results.count; i++) {
        const struct run_result *result = &status->results.all[i];
        struct status_guest *guest = result->uuid ? find_status_guest(status, result->uuid) : NULL;
        if (guest)
            look_at_result(status, result, guest);
    }
    /* Somebody has backed it up who keeps no results. */
    for (size_t i = 0; i < status->count; i++)
        if (status->guests[i].failure.verb && status->guests[i].point &&
            strcmp(status->guests[i].failure.verb, "backup") == 0 &&
            status->guests[i].taken_ms > status->guests[i].failure.ended_s * 1000)
            status->guests[i].failure.open = false;
}

/* ---- what it comes to ------------------------------------------------------------------------- */

static enum status_state judge_guest(const struct status *status, const struct status_guest *guest)
{
    if (!guest->on_host)
        return STATUS_STATE_GONE;
    if (!guest->point)
        return STATUS_STATE_NEVER;
    if (status->now_ms - guest->taken_ms > status->max_age_ms)
        return STATUS_STATE_STALE;
    return guest->failure.open || guest->damaged || guest->ahead || guest->unreadable
               ? STATUS_STATE_FAILED
               : STATUS_STATE_OK;
}

static int compare_status_guests(const void *a, const void *b)
{
    const struct status_guest *first = a, *second = b;

    if (first->on_host != second->on_host)
        return first->on_host ? -1 : 1;
    int order = strcmp(first->name, second->name);
    return order ? order : strcmp(first->uuid, second->uuid);
}

static void judge_guests(struct status *status)
{
    qsort(status->guests, status->count, sizeof(*status->guests), compare_status_guests);
    for (size_t i = 0; i < status->count; i++) {
        status->guests[i].state = judge_guest(status, &status->guests[i]);
        status->states[status->guests[i].state]++;
    }
}

static int leave_out_others(struct status *status, const struct status_options *options,
                            const struct report *report, struct outcome *outcome, struct err *err)
{
    CLEANUP_FREE const char **names = mem_array(status->count, sizeof(*names));
    CLEANUP_FREE const char **uuids = mem_array(status->count, sizeof(*uuids));
    CLEANUP_FREE bool *chosen = mem_array(status->count, sizeof(*chosen));
    const struct select_request request = {.names = names,
                                           .uuids = uuids,
                                           .count = status->count,
                                           .wanted = &options->domains,
                                           .where = "the host",
                                           .report = report,
                                           .outcome = outcome};
    size_t kept = 0;

    if (options->domains.count == 0)
        return 0;
    for (size_t i = 0; i < status->count; i++) {
        names[i] = status->guests[i].name;
        uuids[i] = status->guests[i].uuid;
    }
    if (select_names(&request, chosen, err) < 0)
        return -1;
    for (size_t i = 0; i < status->count; i++) {
        if (chosen[i])
            status->guests[kept++] = status->guests[i];
        else
            clear_guest(&status->guests[i]);
    }
    status->count = kept;
    return 0;
}

static int look_at_everything(const struct status_options *options, const struct report *report,
                              struct outcome *outcome, struct status *ret, struct err *err)
{
    CLEANUP_STATUS struct status status = {.now_ms = (int64_t)time(NULL) * 1000,
                                           .max_age_ms = (int64_t)options->max_age_ms,
                                           .jobs = options->jobs};

    for (size_t i = 0; i < options->uri_count; i++)
        if (look_at_host(options->uris[i], &status, err) < 0)
            return -1;
    for (size_t i = 0; i < options->place_count; i++)
        if (look_at_place(&status, &options->places[i], options->new_ok, report, err) < 0)
            return -1;
    if (results_read(&status.results, err) < 0 ||
        leave_out_others(&status, options, report, outcome, err) < 0)
        return -1;
    look_at_results(&status);
    judge_guests(&status);
    status.missing = outcome->failed;
    *ret = status;
    status = (struct status){0};
    return 0;
}

bool status_is_bad(const struct status *status)
{
    return status->states[STATUS_STATE_STALE] > 0 || status->states[STATUS_STATE_NEVER] > 0;
}

bool status_is_doubtful(const struct status *status)
{
    return status->states[STATUS_STATE_FAILED] > 0 || status->missing > 0;
}

/* ---- telling it -------------------------------------------------------------------------------- */

/* As monitoring plugins have them. */
enum plugin_status { PLUGIN_OK = 0, PLUGIN_WARNING = 1, PLUGIN_CRITICAL = 2, PLUGIN_UNKNOWN = 3 };

static int plugin_status(const struct status *status)
{
    return status_is_bad(status)        ? PLUGIN_CRITICAL
           : status_is_doubtful(status) ? PLUGIN_WARNING
                                        : PLUGIN_OK;
}

static void tell_status_total(const struct report *report, const struct status *status, bool plugin,
                              const char *unknown)
{
    report_event(report, &(struct event){.kind = EVENT_STATUS_TOTAL,
                                         .status_total = {status, plugin, unknown}});
}

static void tell_status_guests(const struct report *report, const struct status *status)
{
    for (size_t i = 0; i < status->count; i++)
        report_event(report, &(struct event){.kind = EVENT_STATUS,
                                             .guest = status->guests[i].name,
                                             .status = {status, &status->guests[i], i == 0}});
}

int status_tell_unknown(const struct report *report, const struct err *why)
{
    tell_status_total(report, NULL, true, why->text);
    return PLUGIN_UNKNOWN;
}

int status_run(const struct status_request *request, const struct report *report,
               struct outcome *outcome, int *ret_exit_status, struct err *err)
{
    CLEANUP_STATUS struct status status = {0};
    CLEANUP_ERR struct err why = ERR_INIT;
    bool known = look_at_everything(&request->options, report, outcome, &status, &why) == 0 &&
                 (!request->metrics || metrics_write(request->metrics, &status, &why) == 0);

    if (!known && (!request->plugin || why.kind == ERR_CANCELLED))
        return err_move(err, &why);
    if (!known) {
        *ret_exit_status = status_tell_unknown(report, &why);
        return 0;
    }
    if (request->plugin) {
        tell_status_total(report, &status, true, NULL);
        *ret_exit_status = plugin_status(&status);
        return 0;
    }
    tell_status_guests(report, &status);
    tell_status_total(report, &status, false, NULL);
    *ret_exit_status = status_is_bad(&status) || outcome->failed ? 1 : 0;
    return 0;
}
