/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * With what a guest could be backed up, by the very rules of the backup.
 */
#include "ops/doctor/doctor.h"

#include "base/shell.h"
#include "guest/abilities.h"
#include "guest/agent.h"
#include "ops/backup/capture.h"
#include "ops/backup/capture_check.h"
#include "ops/backup/capture_job.h"
#include "ops/staging.h"

struct patient {
    struct doctor *doctor;
    struct guest *guest;
    struct doctor_subject subject;
    struct guest_status status;
    struct guest_abilities abilities; /* of one that is not shut off */
    enum capture_mode mode;
    struct source source;
};

static void patient_clear(struct patient *patient)
{
    source_clear(&patient->source);
}

/* ---- how it is captured ------------------------------------------------------------------------ */

static void tell_mode(struct patient *patient)
{
    static const struct {
        enum finding_severity severity;
        const char *text;
    } modes[] = {
        [CAPTURE_OFFLINE] = {FINDING_GOOD, "it is shut off: its disks can be backed up"},
        [CAPTURE_LIVE] = {FINDING_GOOD, "can be backed up with its memory while it runs"},
        [CAPTURE_DISKS] = {FINDING_GOOD,
                           "can be backed up while it runs, its file systems frozen for "
                           "an instant; without its memory"},
        [CAPTURE_PAUSE] = {FINDING_NOTE,
                           "can be backed up with its memory, and is stopped while that is copied: "
                           "QEMU is known to copy it correctly while the guest runs with KVM, or "
                           "since version 9"},
        [CAPTURE_SAVE] = {FINDING_NOTE,
                          "can be backed up with its memory, and is down while it is"},
    };
    const char *why = patient->mode != CAPTURE_SAVE           ? ""
                      : patient->status.state == GUEST_PAUSED ? ": it is paused"
                      : !patient->abilities.pull_backup
                          ? ": its hypervisor makes no backup jobs"
                          : ": its libvirt cannot copy its memory and leave it stopped";

    doctor_tell(patient->doctor, &patient->subject, modes[patient->mode].severity, NULL,
                mem_printf("%s%s", modes[patient->mode].text, why));
}

/* The chosen way, as a backup without options to this place would choose. */
static int choose_way(struct patient *patient, struct err *err)
{
    bool sparing = patient->doctor->options->place.is_repository;
    bool unsafe = false;

    if (guest_get_status(patient->guest, &patient->status, err) < 0 ||
        (patient->status.state != GUEST_SHUT_OFF &&
         guest_get_abilities(patient->guest, &patient->abilities, err) < 0))
        return -1;
    return capture_choose(patient->guest, &patient->status,
                          sparing ? GUEST_MEMORY_SPARING : GUEST_MEMORY_AUTO, &patient->mode,
                          &unsafe, err);
}

/* ---- what else a running guest needs ------------------------------------------------------------ */

static void look_at_agent(struct patient *patient)
{
    struct doctor_subject subject = patient->subject;

    subject.area = "agent";
    if (patient->status.state != GUEST_RUNNING)
        return;
    if (!patient->abilities.agent)
        doctor_tell(patient->doctor, &subject, FINDING_NOTE,
                    "in the guest: apt-get install qemu-guest-agent",
                    mem_printf("no guest agent is connected: backups without memory are as after a "
                               "power failure"));
    else if (!guest_agent_answers(patient->guest))
        doctor_tell(patient->doctor, &subject, FINDING_WARNING,
                    "in the guest: systemctl restart qemu-guest-agent",
                    mem_printf("its guest agent is connected, but does not answer"));
    else
        doctor_tell(patient->doctor, &subject, FINDING_GOOD, NULL,
                    mem_printf("its guest agent answers"));
}

static void look_at_other_job(struct patient *patient)
{
    const struct capture_request request = {
        .calls = &capture_calls_libvirt,
        .guest = patient->guest,
        .name = guest_name(patient->guest),
        .mode = patient->mode,
    };
    CLEANUP_FREE char *line = shell_virsh("domjobinfo", guest_name(patient->guest));
    CLEANUP_ERR struct err err = ERR_INIT;

    if (capture_check_no_job(&request, &err) < 0)
        doctor_tell(patient->doctor, &patient->subject, FINDING_PROBLEM, line,
                    mem_printf("%s", err.text));
}

static void look_at_staging(struct patient *patient)
{
    const struct doctor_options *options = patient->doctor->options;
    CLEANUP_FREE char *usual = hypervisor_staging_folder(patient->doctor->hypervisor);
    const struct staging_request request = {
        .path = options->staging_path,
        .usual = usual,
        .destination = options->place.path,
        .uuid = guest_uuid(patient->guest),
        .needed = source_memory_room(&patient->source),
    };
    struct doctor_subject subject = patient->subject;
    CLEANUP_ERR struct err err = ERR_INIT;

    if (!capture_has_memory(patient->mode))
        return;
    subject.area = "staging";
    if (staging_check(&request, &err) < 0)
        doctor_tell(patient->doctor, &subject, FINDING_PROBLEM,
                    "virt-backup backup --staging-path FOLDER", mem_printf("%s", err.text));
    else
        doctor_tell(patient->doctor, &subject, FINDING_GOOD, NULL,
                    mem_printf("there is room for its memory"));
}

static int check_scratch(struct patient *patient, struct err *err)
{
    CLEANUP_FREE char *private_folder = NULL;
    CLEANUP_FREE char *folder = NULL;

    if (guest_private_folder(patient->guest, &private_folder, err) < 0 ||
        capture_job_folder(patient->doctor->options->scratch_path, private_folder, &folder, err) <
            0)
        return -1;
    return capture_job_check_room(folder, patient->source.image_size, err);
}

static void look_at_scratch(struct patient *patient)
{
    struct doctor_subject subject = patient->subject;
    CLEANUP_ERR struct err err = ERR_INIT;

    if (!capture_has_exports(patient->mode))
        return;
    subject.area = "scratch";
    if (check_scratch(patient, &err) < 0)
        doctor_tell(patient->doctor, &subject, FINDING_PROBLEM,
                    "virt-backup backup --scratch-path FOLDER", mem_printf("%s", err.text));
    else
        doctor_tell(patient->doctor, &subject, FINDING_GOOD, NULL,
                    mem_printf("there is room for what it overwrites while it is backed up"));
}

/* ---- all of it -------------------------------------------------------------------------------------- */

void doctor_guest(struct doctor *doctor, struct guest *guest)
{
    CLEANUP(patient_clear)
    struct patient patient = {
        .doctor = doctor,
        .guest = guest,
        .subject = {.area = "guest", .guest = guest_name(guest)},
    };
    CLEANUP_ERR struct err err = ERR_INIT;

    if (choose_way(&patient, &err) < 0) {
        doctor_tell(doctor, &patient.subject, FINDING_PROBLEM, NULL,
                    mem_printf("cannot be backed up: %s", err.text));
        return;
    }
    const struct name_list none = {0};
    const struct source_request request = {
        .memory = capture_has_memory(patient.mode),
        .exports = capture_has_exports(patient.mode),
        .exclude_disks = &none,
        .destination = doctor->options->place.path ? doctor->options->place.path : "",
    };
    look_at_agent(&patient);
    look_at_other_job(&patient);
    if (source_gather(doctor->hypervisor, guest, &request, &patient.source, &err) < 0) {
        doctor_refused(doctor, guest, &request, &err);
        doctor_leftovers(doctor, guest, NULL);
        return;
    }
    tell_mode(&patient);
    doctor->volume += patient.source.image_size;
    look_at_staging(&patient);
    look_at_scratch(&patient);
    doctor_disks(doctor, guest, &patient.source);
    doctor_leftovers(doctor, guest, &patient.source);
}
