/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is in a repository besides points: sessions, the trash, the reserve.
 */
#include "ops/doctor/doctor.h"

#include <string.h>
#include <time.h>

#include "base/shell.h"
#include "base/units.h"
#include "base/when.h"
#include "ops/points/repository_state.h"

static int64_t doctor_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The name of a guest of this host; the UUID of another host's. */
static const char *guest_of(const struct doctor *doctor, const char *uuid)
{
    for (size_t i = 0; i < doctor->guest_count; i++)
        if (strcmp(guest_uuid(doctor->guests[i]), uuid) == 0)
            return guest_name(doctor->guests[i]);
    return uuid;
}

static void tell_sessions(struct doctor *doctor, const char *collect,
                          const struct points_repository_state *state)
{
    char utc[WHEN_TEXT_SIZE];
    char local[WHEN_TEXT_SIZE];

    for (size_t i = 0; i < state->session_count; i++) {
        const struct points_repository_session *session = &state->sessions[i];
        const struct doctor_subject subject = {.area = "session",
                                               .guest = guest_of(doctor, session->guest),
                                               .place = doctor->options->place.path};
        bool old = session->since_ms < doctor_now_ms() - DAY_MS;
        when_local(when_utc(session->since_ms, utc), local);
        doctor_tell(
            doctor, &subject, old ? FINDING_WARNING : FINDING_NOTE, old ? collect : NULL,
            mem_printf(old ? "a backup that began %s has not come to its end, and seems to be dead"
                           : "a backup is at work since %s, or has died",
                       local));
    }
}

static void tell_store(struct doctor *doctor, const struct doctor_subject *subject,
                       const struct points_repository_state *state)
{
    if (!state->reserve)
        doctor_tell(
            doctor, subject, FINDING_WARNING, NULL,
            mem_printf("it has no reserve: if the file system is full, nothing can be collected; "
                       "another collection makes it when there is room"));
    if (state->alone)
        doctor_tell(
            doctor, subject, FINDING_NOTE, NULL,
            mem_printf("nothing keeps two hosts from creating one name: collect needs --alone"));
    if (state->lagging)
        doctor_tell(
            doctor, subject, FINDING_NOTE, NULL,
            mem_printf(
                "on %s, listings may be old: collect needs --nfs-ok, or a host that has the file "
                "system itself",
                state->lagging));
}

void doctor_repository(struct doctor *doctor)
{
    const struct points_place *place = &doctor->options->place;
    const struct doctor_subject subject = {.area = "repository", .place = place->path};
    CLEANUP_REPOSITORY_STATE struct points_repository_state state = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_FREE char *quoted = shell_quote(place->path);
    CLEANUP_FREE char *collect = mem_printf("virt-backup collect --repository %s", quoted);

    if (points_repository_state(place, &state, &err) < 0) {
        doctor_tell(doctor, &subject, FINDING_PROBLEM, NULL, mem_printf("%s", err.text));
        return;
    }
    doctor->owner = TAKE_PTR(state.owner);
    tell_store(doctor, &subject, &state);
    tell_sessions(doctor, collect, &state);
    if (state.trashed)
        doctor_tell(
            doctor, &subject, FINDING_NOTE, collect,
            mem_printf("%zu of %zu points are in the trash; a collection removes them after a week",
                       state.trashed, state.points));
    if (state.newest_ms > doctor_now_ms() + DAY_MS)
        doctor_tell(
            doctor, &subject, FINDING_PROBLEM, "timedatectl",
            mem_printf("its newest point was made in the future: the clock of this host, or of the "
                       "store, is wrong"));
}
