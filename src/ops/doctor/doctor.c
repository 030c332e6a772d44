/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The verb doctor: looks at all that a backup or restore will need, subject by subject.
 */
#include "ops/doctor/doctor.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/quit.h"
#include "ops/guests/select.h"

void doctor_tell(struct doctor *doctor, const struct doctor_subject *subject,
                 enum finding_severity severity, const char *remedy, char *text)
{
    CLEANUP_FREE char *owned = text;

    doctor->found[severity]++;
    report_event(doctor->report, &(struct event){.kind = EVENT_FINDING,
                                                 .guest = subject->guest,
                                                 .finding = {.severity = severity,
                                                             .area = subject->area,
                                                             .disk = subject->disk,
                                                             .place = subject->place,
                                                             .text = owned,
                                                             .remedy = remedy}});
}

static void doctor_clear(struct doctor *doctor)
{
    guest_list_free(doctor->guests, doctor->guest_count);
    free(doctor->chosen);
    free(doctor->owner);
    hypervisor_close(doctor->hypervisor);
    if (doctor->state_fd >= 0)
        close(doctor->state_fd);
}

static int choose_patients(struct doctor *doctor, struct outcome *outcome, struct err *err)
{
    CLEANUP_FREE const char **names = mem_array(doctor->guest_count + 1, sizeof(*names));
    CLEANUP_FREE const char **uuids = mem_array(doctor->guest_count + 1, sizeof(*uuids));
    const struct select_request request = {
        .names = names,
        .uuids = uuids,
        .count = doctor->guest_count,
        .wanted = &doctor->options->domains,
        .where = "the hypervisor",
        .report = doctor->report,
        .outcome = outcome,
    };

    doctor->chosen = mem_array(doctor->guest_count + 1, sizeof(*doctor->chosen));
    if (doctor->guest_count == 0 && doctor->options->domains.count == 0)
        return 0;
    for (size_t i = 0; i < doctor->guest_count; i++) {
        names[i] = guest_name(doctor->guests[i]);
        uuids[i] = guest_uuid(doctor->guests[i]);
    }
    return select_names(&request, doctor->chosen, err);
}

static int look_at_guests(struct doctor *doctor, struct outcome *outcome, struct err *err)
{
    if (choose_patients(doctor, outcome, err) < 0)
        return -1;
    for (size_t i = 0; i < doctor->guest_count; i++) {
        if (quit_check(err) < 0)
            return -1;
        if (doctor->chosen[i])
            doctor_guest(doctor, doctor->guests[i]);
    }
    return 0;
}

int doctor_run(const struct doctor_options *options, const struct report *report,
               struct outcome *ret_outcome, struct err *err)
{
    CLEANUP(doctor_clear)
    struct doctor doctor = {.options = options, .report = report, .state_fd = -1};

    doctor_sandbox(&doctor);
    doctor_user(&doctor);
    doctor_clock(&doctor);
    doctor_confinement(&doctor);
    doctor_libvirt(&doctor);
    doctor_programs(&doctor);
    doctor_state(&doctor);
    doctor_units(&doctor);
    /* The guests' checkpoints are those of a repository, or not. */
    doctor_place(&doctor);
    int result = doctor.hypervisor ? look_at_guests(&doctor, ret_outcome, err) : quit_check(err);
    if (result == 0)
        doctor_room(&doctor);
    ret_outcome->failed += doctor.found[FINDING_PROBLEM];
    if (result < 0)
        ret_outcome->signal = quit_requested();
    else
        report_event(report, &(struct event){.kind = EVENT_EXAMINED,
                                             .examined = {doctor.found[FINDING_GOOD],
                                                          doctor.found[FINDING_NOTE],
                                                          doctor.found[FINDING_WARNING],
                                                          doctor.found[FINDING_PROBLEM]}});
    return result;
}
