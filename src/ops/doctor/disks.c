/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The disks of a guest: why one cannot be read, and why one cannot be followed from backup to backup.
 */
#include "ops/doctor/doctor.h"

#include <string.h>

#include "base/shell.h"
#include "base/text.h"
#include "guest/checkpoint.h"
#include "guest/definition/definition.h"
#include "ops/backup/capture_checkpoint.h"

/* ---- one that can be backed up -------------------------------------------------------------------- */

static void tell_record(struct doctor *doctor, const struct doctor_subject *subject,
                        const struct source_disk *disk, enum capture_record record)
{
    CLEANUP_FREE char *path = shell_quote(disk->path ? disk->path : "");
    CLEANUP_FREE char *amend = mem_printf("qemu-img amend -f qcow2 -o compat=1.1 %s", path);
    CLEANUP_FREE char *list = shell_virsh("snapshot-list", subject->guest);
    static const char whole[] = "is read whole by each backup into a repository";

    switch (record) {
    case CAPTURE_RECORDS:
    case CAPTURE_NO_BITMAP:
        doctor_tell(doctor, subject, FINDING_GOOD, NULL,
                    mem_printf("%s, and only what has changed need be read", disk->format));
        break;
    case CAPTURE_NOT_LOCAL:
        doctor_tell(doctor, subject, FINDING_NOTE, NULL,
                    mem_printf("%s: it is not in a file or block device of this host", whole));
        break;
    case CAPTURE_NOT_QCOW2:
        doctor_tell(
            doctor, subject, FINDING_NOTE, NULL,
            mem_printf("%s: only qcow2 images can tell what has changed, and this one is %s", whole,
                       disk->format));
        break;
    case CAPTURE_OLD_QCOW2:
        doctor_tell(
            doctor, subject, FINDING_NOTE, amend,
            mem_printf(
                "%s: it is qcow2 of version 2 (compat=0.10), which cannot tell what has changed; "
                "it can be made version 3 while the guest is shut off",
                whole));
        break;
    case CAPTURE_READ_ONLY:
        doctor_tell(doctor, subject, FINDING_NOTE, NULL,
                    mem_printf("%s: the guest can only read it, and it gets no bitmap", whole));
        break;
    case CAPTURE_SNAPSHOTS:
        doctor_tell(doctor, subject, FINDING_NOTE, list,
                    mem_printf("%s while there are internal snapshots", whole));
        break;
    }
}

static void look_at_good_disk(struct doctor *doctor, struct guest *guest,
                              const struct source_disk *disk, bool safe)
{
    const struct doctor_subject subject = {
        .area = "disk", .guest = guest_name(guest), .disk = disk->target, .place = disk->path};
    CLEANUP_FREE char *path = shell_quote(disk->path ? disk->path : "");
    CLEANUP_FREE char *check = mem_printf("qemu-img check -f %s %s", disk->format, path);

    tell_record(doctor, &subject, disk, safe ? capture_recordable(disk) : CAPTURE_SNAPSHOTS);
    if (disk->info.marked_corrupt)
        doctor_tell(doctor, &subject, FINDING_PROBLEM, check,
                    mem_printf("QEMU has marked %s as corrupt, or an image below it", disk->path));
    if (disk->info.unwritable)
        doctor_tell(
            doctor, &subject, FINDING_WARNING, NULL,
            mem_printf("qemu-img cannot create images of format %s: it can be restored raw only",
                       disk->format));
    if (disk->info.chain_length > 1)
        doctor_tell(doctor, &subject, FINDING_NOTE, NULL,
                    mem_printf("%s is an overlay over %u image%s, which it is nothing without",
                               disk->path, disk->info.chain_length - 1,
                               disk->info.chain_length > 2 ? "s" : ""));
}

static void tell_left_out(struct doctor *doctor, struct guest *guest,
                          const struct source_left_out *left_out)
{
    const struct doctor_subject subject = {.area = "disk",
                                           .guest = guest_name(guest),
                                           .disk = left_out->target,
                                           .place = left_out->path};
    bool later = left_out->why == SOURCE_ONLY_DEFINED || left_out->why == SOURCE_OTHER_DEFINED;

    doctor_tell(doctor, &subject, later ? FINDING_WARNING : FINDING_NOTE, NULL,
                mem_printf("is not in backups: %s", left_out->reason));
}

void doctor_disks(struct doctor *doctor, struct guest *guest, const struct source *source)
{
    bool safe = true;

    /* What libvirt does not know, the images do. */
    if (guest_checkpoint_is_safe(guest, &safe, NULL) < 0)
        safe = true;
    for (size_t i = 0; i < source->disk_count; i++)
        look_at_good_disk(doctor, guest, &source->disks[i], safe);
    for (size_t i = 0; i < source->left_out_count; i++)
        tell_left_out(doctor, guest, &source->left_out[i]);
}

/* ---- one that cannot ---------------------------------------------------------------------------------- */

static int read_patient_targets(struct guest *guest, struct strings *ret)
{
    CLEANUP_FREE char *text = NULL;
    CLEANUP(xml_freep) struct xml_doc *doc = NULL;
    CLEANUP_DEFINITION_DISKS struct definition_disks disks = {0};

    if (guest_get_xml(guest, GUEST_XML_PERSISTENT, &text, NULL) < 0 ||
        !(doc = xml_parse(text, strlen(text), NULL)) ||
        definition_read_disks(doc, &disks, NULL) < 0)
        return -1;
    for (size_t i = 0; i < disks.count; i++)
        strings_add(ret, disks.disks[i].target);
    return 0;
}

/* Gathers one disk of the guest, or none (NULL), and leaves out all others. */
static int gather_alone(struct doctor *doctor, struct guest *guest,
                        const struct source_request *request, const struct strings *targets,
                        const char *alone, struct err *err)
{
    CLEANUP_FREE const char **others = mem_array(targets->count + 1, sizeof(*others));
    CLEANUP_SOURCE struct source source = {0};
    struct name_list excluded = {others, 0};
    struct source_request asked = *request;

    for (size_t i = 0; i < targets->count; i++)
        if (!text_same(targets->items[i], alone))
            others[excluded.count++] = targets->items[i];
    asked.exclude_disks = &excluded;
    return source_gather(doctor->hypervisor, guest, &asked, &source, err);
}

static void tell_refused(struct doctor *doctor, struct guest *guest, const char *target,
                         const struct err *err)
{
    const struct doctor_subject subject = {
        .area = target ? "disk" : "guest", .guest = guest_name(guest), .disk = target};
    CLEANUP_FREE char *word = mem_printf("%s:%s", guest_name(guest), target ? target : "");
    CLEANUP_FREE char *quoted = shell_quote_listed(word);
    CLEANUP_FREE char *exclude = mem_printf("virt-backup backup --exclude-disk %s", quoted);
    CLEANUP_FREE char *start = mem_printf("disk '%s': ", target ? target : "");
    const char *text = text_after(err->text, start);

    doctor_tell(doctor, &subject, FINDING_PROBLEM, target ? exclude : NULL,
                mem_printf("cannot be backed up: %s", text ? text : err->text));
}

/* A gathering ends at the first thing that is wrong; each disk by itself shows all of them. */
void doctor_refused(struct doctor *doctor, struct guest *guest,
                    const struct source_request *request, const struct err *why)
{
    CLEANUP_STRINGS struct strings targets = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    bool told = false;

    if (read_patient_targets(guest, &targets) < 0 ||
        gather_alone(doctor, guest, request, &targets, NULL, &err) < 0) {
        tell_refused(doctor, guest, NULL, err.kind ? &err : why);
        return;
    }
    for (size_t i = 0; i < targets.count; i++) {
        CLEANUP_ERR struct err disk_err = ERR_INIT;
        if (gather_alone(doctor, guest, request, &targets, targets.items[i], &disk_err) == 0)
            continue;
        tell_refused(doctor, guest, targets.items[i], &disk_err);
        told = true;
    }
    if (!told)
        tell_refused(doctor, guest, NULL, why);
}
