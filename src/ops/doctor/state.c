/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The state directory: what runs have left there, and which guests are in use.
 */
#include "ops/doctor/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/io.h"
#include "base/lock_file.h"
#include "base/shell.h"
#include "base/text.h"
#include "base/units.h"
#include "ops/host_key.h"
#include "ops/undo/intent.h"
#include "ops/undo/recover.h"
#include "ops/undo/state_dir.h"

/* A journal with the names of many disks. */
#define STATE_ROOM_LEAST MIB

static void look_at_folder(struct doctor *doctor, const struct doctor_subject *subject)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_FREE char *quoted = shell_quote(subject->place);
    CLEANUP_FREE char *remedy =
        mem_printf("chown %u %s && chmod 0700 %s", (unsigned)geteuid(), quoted, quoted);
    char text[UNITS_TEXT_SIZE];
    uint64_t room = 0;

    if (state_dir_check(&doctor->state_fd, &err) < 0) {
        if (err.kind == ERR_NOT_FOUND)
            doctor_tell(doctor, subject, FINDING_GOOD, NULL,
                        mem_printf("there is no state directory yet; the first backup makes it"));
        else
            doctor_tell(doctor, subject, FINDING_PROBLEM, err.kind == ERR_DENIED ? remedy : NULL,
                        mem_printf("%s", err.text));
    } else if (faccessat(doctor->state_fd, ".", W_OK | X_OK, AT_EACCESS) < 0)
        doctor_tell(
            doctor, subject, FINDING_PROBLEM, remedy,
            mem_printf("journals cannot be written: %s: %s", subject->place, strerror(errno)));
    else if (io_free_space(doctor->state_fd, &room, NULL) == 0 && room < STATE_ROOM_LEAST)
        doctor_tell(
            doctor, subject, FINDING_PROBLEM, NULL,
            mem_printf("%s has %s free: there is no room for journals, without which no guest is "
                       "touched",
                       subject->place, units_format_size(room, text)));
    else
        doctor_tell(doctor, subject, FINDING_GOOD, NULL, mem_printf("journals can be written"));
}

static void look_at_journal(struct doctor *doctor, const char *uuid)
{
    CLEANUP_INTENT struct intent intent = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    if (intent_read(doctor->state_fd, uuid, &intent, &err) < 0) {
        const struct doctor_subject subject = {.area = "journal", .guest = uuid};
        CLEANUP_FREE char *dismiss = mem_printf("virt-backup recover --dismiss %s", uuid);
        if (err.kind != ERR_NOT_FOUND)
            doctor_tell(doctor, &subject, FINDING_PROBLEM,
                        err.kind == ERR_UNSUPPORTED ? NULL : dismiss, mem_printf("%s", err.text));
        return;
    }
    const struct doctor_subject subject = {.area = "journal", .guest = intent.name};
    CLEANUP_FREE char *text = recover_text(&intent);
    if (text)
        doctor_tell(doctor, &subject, FINDING_PROBLEM, "virt-backup recover",
                    mem_printf("%s", text));
}

static const char *name_of_patient(const struct doctor *doctor, const char *uuid)
{
    for (size_t i = 0; i < doctor->guest_count; i++)
        if (strcmp(guest_uuid(doctor->guests[i]), uuid) == 0)
            return guest_name(doctor->guests[i]);
    return uuid;
}

/* Of a guest, or of a job, as ops/job/start.c names it. */
static void look_at_lock(struct doctor *doctor, const char *file)
{
    CLEANUP_FREE char *owner = mem_strndup(file, strlen(file) - strlen(".lock"));
    const char *job = text_after(owner, "job-");
    const struct doctor_subject subject = {.area = "lock",
                                           .guest = job ? NULL : name_of_patient(doctor, owner)};
    CLEANUP_ERR struct err err = ERR_INIT;

    if (lock_file_check(doctor->state_fd, file, &err) < 0)
        doctor_tell(doctor, &subject, FINDING_NOTE, NULL,
                    job ? mem_printf("job '%s': %s", job, err.text) : mem_strdup(err.text));
}

static void look_at_files(struct doctor *doctor, const struct doctor_subject *subject)
{
    CLEANUP_STRINGS struct strings uuids = {0};
    CLEANUP_STRINGS struct strings names = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    if (intent_list(doctor->state_fd, &uuids, &err) < 0 ||
        dir_list(doctor->state_fd, ".", &names, &err) < 0) {
        doctor_tell(doctor, subject, FINDING_PROBLEM, NULL,
                    mem_printf("%s: %s", subject->place, err.text));
        return;
    }
    for (size_t i = 0; i < uuids.count; i++)
        look_at_journal(doctor, uuids.items[i]);
    for (size_t i = 0; i < names.count; i++)
        if (text_ends(names.items[i], ".lock"))
            look_at_lock(doctor, names.items[i]);
}

static void look_at_key(struct doctor *doctor)
{
    static const struct doctor_subject subject = {.area = "key"};
    CLEANUP(host_key_freep) struct seal_key *key = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;

    if (host_key_open(false, &key, &err) < 0)
        doctor_tell(
            doctor, &subject, FINDING_WARNING, NULL,
            mem_printf(
                "backups are not sealed as this host's own, and need --trust-definition to be "
                "restored: %s",
                err.text));
    else
        doctor_tell(doctor, &subject, FINDING_GOOD, NULL,
                    mem_printf("%s", key ? "this host knows its own backups by its key"
                                         : "this host has no key yet; the first backup makes it"));
}

void doctor_state(struct doctor *doctor)
{
    CLEANUP_FREE char *path = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;
    struct doctor_subject subject = {.area = "state"};

    if (state_dir_path(&path, &err) < 0) {
        doctor_tell(doctor, &subject, FINDING_PROBLEM, NULL, mem_printf("%s", err.text));
        return;
    }
    subject.place = path;
    look_at_folder(doctor, &subject);
    if (doctor->state_fd >= 0)
        look_at_files(doctor, &subject);
    look_at_key(doctor);
}
