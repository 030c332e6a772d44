/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What backups and other programs have left with a guest: checkpoints, bitmaps, snapshots.
 */
#include "ops/doctor/doctor.h"

#include <string.h>
#include <unistd.h>

#include "base/shell.h"
#include "base/text.h"
#include "disk/bitmap.h"
#include "guest/checkpoint.h"
#include "guest/guest_points.h"
#include "ops/point_notes.h"

static void add_name(const char *xml, struct strings *names)
{
    CLEANUP(xml_freep) struct xml_doc *doc = xml_parse(xml, strlen(xml), NULL);
    char *name = doc ? xml_find_text(xml_root(doc), "name") : NULL;

    if (name)
        strings_take(names, name);
}

/* ---- checkpoints ----------------------------------------------------------------------------------- */

/* A backup of this host into the place of its owner has noted its point. */
static bool owner_is_known(const struct doctor *doctor, const char *uuid, const char *name)
{
    CLEANUP_FREE char *owner =
        mem_strndup(name + strcspn(name, "-") + 1, GUEST_CHECKPOINT_OWNER_LEN);
    CLEANUP_FREE char *note = point_note_name(uuid, owner);

    return text_same(owner, doctor->owner) ||
           (doctor->state_fd >= 0 && faccessat(doctor->state_fd, note, F_OK, 0) == 0);
}

static bool is_guest_off(struct guest *guest)
{
    struct guest_status status;

    return guest_get_status(guest, &status, NULL) == 0 && status.state == GUEST_SHUT_OFF;
}

static bool has_bitmap(const struct source_disk *disk, const char *name)
{
    CLEANUP_STRINGS struct strings bitmaps = {0};

    return disk->local && disk->path && strcmp(disk->format, "qcow2") == 0 &&
           disk_bitmap_list(disk->path, &bitmaps, NULL) == 0 && strings_has(&bitmaps, name);
}

/* libvirt deletes the checkpoints of guests that run; of one that is off only its own record. The caller
 * frees. */
static char *checkpoint_remedy(struct guest *guest, const struct source *source, const char *name)
{
    bool off = is_guest_off(guest);
    CLEANUP_FREE char *verb =
        shell_virsh(off ? "checkpoint-delete --metadata" : "checkpoint-delete", guest_name(guest));
    CLEANUP_FREE char *quoted = shell_quote(name);
    struct buf text = {0};

    if (off && guest_checkpoint_is_ours(name, NULL)) {
        CLEANUP_FREE char *listed = shell_quote_listed(guest_name(guest));
        return mem_printf("virt-backup checkpoints --remove %s", listed);
    }
    buf_printf(&text, "%s %s", verb, quoted);
    for (size_t i = 0; off && source && i < source->disk_count; i++)
        if (has_bitmap(&source->disks[i], name)) {
            CLEANUP_FREE char *path = shell_quote(source->disks[i].path);
            buf_printf(&text, " && qemu-img bitmap --remove %s %s", path, quoted);
        }
    return buf_take_str(&text);
}

static void look_at_checkpoint(struct doctor *doctor, struct guest *guest,
                               const struct source *source, const char *name)
{
    const struct doctor_subject subject = {.area = "checkpoint", .guest = guest_name(guest)};
    CLEANUP_FREE char *remedy = checkpoint_remedy(guest, source, name);

    if (!guest_checkpoint_is_ours(name, NULL))
        doctor_tell(
            doctor, &subject, FINDING_NOTE, remedy,
            mem_printf(
                "checkpoint '%s' is of another program; it costs a little for whatever the guest "
                "writes",
                name));
    else if (!owner_is_known(doctor, guest_uuid(guest), name))
        doctor_tell(
            doctor, &subject, FINDING_WARNING, remedy,
            mem_printf(
                "checkpoint '%s' is of a repository into which this host has not backed up the "
                "guest, or not for long",
                name));
    else
        doctor_tell(doctor, &subject, FINDING_GOOD, NULL,
                    mem_printf("checkpoint '%s' is where the next backup goes on", name));
}

/* While the guest runs only QEMU knows what bitmaps there are. */
static void look_at_bitmaps(struct doctor *doctor, struct guest *guest,
                            const struct source_disk *disk, const struct strings *checkpoints)
{
    const struct doctor_subject subject = {
        .area = "disk", .guest = guest_name(guest), .disk = disk->target, .place = disk->path};
    CLEANUP_STRINGS struct strings bitmaps = {0};
    CLEANUP_FREE char *path = shell_quote(disk->path ? disk->path : "");

    if (!disk->local || strcmp(disk->format, "qcow2") != 0 ||
        disk_bitmap_list(disk->path, &bitmaps, NULL) < 0)
        return;
    for (size_t i = 0; i < bitmaps.count; i++) {
        const char *name = bitmaps.items[i];
        CLEANUP_FREE char *quoted = shell_quote(name);
        CLEANUP_FREE char *remedy = mem_printf("qemu-img bitmap --remove %s %s", path, quoted);
        if (!strings_has(checkpoints, name))
            doctor_tell(doctor, &subject, FINDING_NOTE, remedy,
                        mem_printf("bitmap '%s' of %s belongs to no checkpoint of the guest", name,
                                   disk->path));
    }
}

/* ---- snapshots --------------------------------------------------------------------------------------- */

/* The disks of which the snapshot has made an overlay. */
static void list_overlays(const struct xml_doc *doc, struct strings *ret)
{
    for (const struct xml_node *disk = xml_find(xml_root(doc), "disks/disk"); disk;
         disk = xml_next_same(disk))
        if (text_same(xml_attr(disk, "snapshot"), "external") && xml_attr(disk, "name"))
            strings_add(ret, xml_attr(disk, "name"));
}

/* libvirt commits overlays of guests that run, and leaves the snapshot, which then says nothing. The
 * caller frees. */
static char *overlay_remedy(struct guest *guest, const struct strings *disks, const char *snapshot)
{
    CLEANUP_FREE char *commit = shell_virsh("blockcommit --active --pivot", guest_name(guest));
    CLEANUP_FREE char *delete = shell_virsh("snapshot-delete --metadata", guest_name(guest));
    CLEANUP_FREE char *start = shell_virsh("start", guest_name(guest));
    CLEANUP_FREE char *quoted = shell_quote(snapshot);
    struct buf text = {0};

    if (is_guest_off(guest))
        buf_printf(&text, "%s && ", start);
    for (size_t i = 0; i < disks->count; i++) {
        CLEANUP_FREE char *disk = shell_quote(disks->items[i]);
        buf_printf(&text, "%s %s && ", commit, disk);
    }
    buf_printf(&text, "%s %s", delete, quoted);
    return buf_take_str(&text);
}

static void look_at_snapshot(struct doctor *doctor, struct guest *guest, const char *xml)
{
    const struct doctor_subject subject = {.area = "snapshot", .guest = guest_name(guest)};
    CLEANUP(xml_freep) struct xml_doc *doc = xml_parse(xml, strlen(xml), NULL);
    CLEANUP_FREE char *name = doc ? xml_find_text(xml_root(doc), "name") : NULL;
    CLEANUP_FREE char *quoted = shell_quote(name ? name : "");
    CLEANUP_FREE char *verb = shell_virsh("snapshot-delete", guest_name(guest));
    CLEANUP_FREE char *remove = mem_printf("%s %s", verb, quoted);
    CLEANUP_STRINGS struct strings overlays = {0};

    if (!name)
        return;
    list_overlays(doc, &overlays);
    CLEANUP_FREE char *commit = overlay_remedy(guest, &overlays, name);
    if (overlays.count)
        doctor_tell(
            doctor, &subject, FINDING_WARNING, commit,
            mem_printf("snapshot '%s' has made overlays of %zu disk%s; if it was only for a "
                       "backup, commit them while the guest runs, and remove it",
                       name, overlays.count, overlays.count == 1 ? "" : "s"));
    else
        doctor_tell(
            doctor, &subject, FINDING_NOTE, remove,
            mem_printf(
                "internal snapshot '%s' is not in backups, and keeps disks from being followed",
                name));
}

void doctor_leftovers(struct doctor *doctor, struct guest *guest, const struct source *source)
{
    const struct doctor_subject subject = {.area = "guest", .guest = guest_name(guest)};
    CLEANUP_GUEST_POINTS struct guest_points points = {0};
    CLEANUP_STRINGS struct strings names = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    if (guest_points_get(guest, &points, &err) < 0) {
        doctor_tell(doctor, &subject, FINDING_PROBLEM, NULL, mem_printf("%s", err.text));
        return;
    }
    for (size_t i = 0; i < points.checkpoints.count; i++)
        add_name(points.checkpoints.items[i], &names);
    for (size_t i = 0; i < names.count; i++)
        look_at_checkpoint(doctor, guest, source, names.items[i]);
    for (size_t i = 0; i < points.snapshots.count; i++)
        look_at_snapshot(doctor, guest, points.snapshots.items[i]);
    if (source && source->status.state == GUEST_SHUT_OFF)
        for (size_t i = 0; i < source->disk_count; i++)
            look_at_bitmaps(doctor, guest, &source->disks[i], &names);
}
