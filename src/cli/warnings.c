/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/warnings.h"

#include <string.h>

#include "base/buf.h"
#include "base/units.h"
#include "base/when.h"
#include "ops/findings.h"

static const char *const warning_rows[WARNING_KINDS] = {
    [WARNING_COMPRESSION_BUFFER] =
        "--compression-buffer {buffer}: {codec} gets a dictionary of {dictionary} and chunks "
        "of "
        "{chunk}; a size that does not suit the level may compress badly",
    [WARNING_NO_SANDBOX] = "--no-sandbox: child processes run with full privileges; a flaw in a "
                           "decompressor is not contained",
    [WARNING_NOT_SEALED] = "backups are not sealed, so a restore will treat them as those of "
                           "another host: {why}",
    [WARNING_SEALS_UNKNOWN] = "this host's seals cannot be checked, so its own backups are "
                              "treated as those of another host: {why}",
    [WARNING_LEFT_BEHIND] = "{why}",
    [WARNING_LEFT_TO_RECOVER] = "{why}; to put it back, run: virt-backup recover",
    [WARNING_RECOVER_LATER] = "{why}; to wait longer, run: virt-backup recover",
    [WARNING_NOT_PUT_BACK] = "{why}",

    [WARNING_MEMORY_UNSAFE] =
        "the memory in the backup may be wrong: this QEMU can miss what an emulated guest "
        "writes while it runs; --guest-memory pause is safe",
    [WARNING_MEMORY_FORCED] = "its memory changed faster than it could be copied, so the guest "
                              "was stopped for the rest",
    [WARNING_NOT_FROZEN] = "{why}; the disks are backed up as after a power failure",
    [WARNING_SNAPSHOTS_LEFT_OUT] = "disk '{disk}' has internal snapshots, which are not backed "
                                   "up: only the current state of the disk is",
    [WARNING_OTHER_SOURCE] = "disk '{disk}': {why}; the source that the running guest uses is "
                             "backed up",
    [WARNING_DISK_NOT_RUNNING] = "disk '{disk}' is not backed up, because it is {why}; to back "
                                 "it up too, use --guest-memory save, or shut the guest down",
    [WARNING_MARKED_CORRUPT] = "disk '{disk}': QEMU has marked its image as corrupt, so the "
                               "backup of it may be damaged; check the image with qemu-img check",
    [WARNING_FORMAT_UNWRITABLE] =
        "disk '{disk}': a restore cannot create {format} images; the disk can only be restored "
        "as raw, to a block device given with --disk-map",
    [WARNING_NEEDS_TRUST] = "restoring it needs --trust-definition, because its backup has no "
                            "seal: {findings}",
    [WARNING_READ_WHOLE] = "disk '{disk}' is read whole, not only what was written to it: {why}",
    [WARNING_SNAPSHOTS_NOT_FOLLOWED] =
        "disk '{disk}' is read whole each time: to record what is written to it would keep the "
        "guest from being reverted to its internal snapshots",
    [WARNING_SAVE_IMAGE_UNKNOWN] =
        "the layout of libvirt's save image is unknown; it is stored as it is",
    [WARNING_SAVE_IMAGE_COMPRESSED] =
        "the layout of libvirt's save image is unknown; it is stored as it is, compressed as a "
        "whole, and virsh restore can read it only once it is decompressed, or restored by "
        "virt-backup",

    [WARNING_RENAMED_SINCE] =
        "skipped: this guest was renamed to '{guest}', whose backup of {newer} is newer than "
        "this one of {time}; to restore this one, name it with --domain-names",
    [WARNING_TRUSTED] = "its definition is trusted: {finding}",
    [WARNING_MEDIUM_LEFT_OUT] = "drive '{disk}' is left empty: its medium is not in the backup",
    [WARNING_DISK_LEFT_OUT] =
        "disk '{disk}' is not in the backup and is left out of the restored guest; use "
        "--disk-map {disk}=PATH to give it another place, or --keep-left-out to keep it where "
        "it was",
    [WARNING_MEMORY_DROPPED] = "its memory is not restored: the guest can only be resumed with "
                               "all of its disks",
    [WARNING_SHARED_DIFFERS] =
        "disk '{disk}' is shareable, but its contents differ from those in the other guest's "
        "backup, so it is restored as a separate disk",
    [WARNING_COPY_WITHOUT_MEMORY] =
        "its memory is not restored under a new name: the guest boots from its disks",
    [WARNING_COPY_NOT_STARTED] = "the original guest starts with the host; this copy does not",
    [WARNING_NO_MEMORY_IMAGE] = "the backup has no memory image, so the guest boots from its disks",
    [WARNING_POINTS_REMOVED] = "--replace has removed {points} of guest '{guest}' from libvirt, "
                               "which would not fit the restored disks",
    [WARNING_POINTS_WOULD_BE_REMOVED] = "--replace would remove {points} of guest '{guest}' from "
                                        "libvirt, which would not fit the restored disks",
    [WARNING_BASE_REPLACED] =
        "{path} is replaced, so that {other-path}, which is based on it, becomes useless",
    [WARNING_MODE_CHANGED] = "{path}: its mode was {mode} and is now {new-mode}",
    [WARNING_OWNER_CHANGED] = "without privileges, owner, group or SELinux context could not be "
                              "restored; the files belong to you",
    [WARNING_POOL_NOT_REFRESHED] = "{why}",
    [WARNING_HELD_BY_RESTORE] =
        "point {name} is held by another restore, which releases it at its own "
        "end; to keep it until this one is done, use virt-backup hold",
    [WARNING_HOST_INACTIVE] = "this host's {thing} '{name}' is not active, but the guest needs "
                              "it ({uses}); to start it, run: {command}",
    [WARNING_HOST_LACKS] = "this host lacks the {thing} '{name}' ({uses}), which the guest needs",
    [WARNING_HOST_LACKS_VOLUME] = "this host's storage pool '{name}' lacks the volume "
                                  "'{volume}' ({uses}), which the guest needs",
    [WARNING_DEVICE_UNSURE] = "the guest uses the host device '{name}' ({uses}); make sure that "
                              "this host has it, and that it is the right one",

    [WARNING_SEAL_BROKEN] = "its seal is broken: the backup was changed after this host made it",

    [WARNING_UNKNOWN_OBJECT] =
        "{name}: the repository has no objects with such names; it is left alone",
};

const char *warnings_row(enum warning_kind kind)
{
    return kind < WARNING_KINDS ? warning_rows[kind] : NULL;
}

/* ---- fields ------------------------------------------------------------------------------- */

static const char *thing_text(enum reference_kind kind)
{
    static const char *const texts[REF_KINDS] = {
        [REF_NETWORK] = "network",
        [REF_INTERFACE] = "bridge or interface",
        [REF_NWFILTER] = "network filter",
        [REF_POOL] = "storage pool",
        [REF_SECRET_UUID] = "secret",
        [REF_SECRET_USAGE] = "secret for",
        [REF_DEVICE] = "host device",
        [REF_CPU] = "CPU",
        [REF_NODE] = "NUMA node",
        [REF_PAGES] = "huge page size",
        [REF_BACK_END] = "program",
        [REF_FILE] = "file",
        [REF_FOLDER] = "folder",
        [REF_PARENT] = "folder of",
        [REF_PIPE] = "pipe",
        [REF_TEMPLATE] = "file",
        [REF_SOCKET] = "socket",
    };

    return texts[kind];
}

static void put_count(size_t count, const char *what, struct buf *text)
{
    if (count)
        buf_printf(text, "%s%zu %s%s", text->len ? " and " : "", count, what,
                   count == 1 ? "" : "s");
}

/* "2 snapshots and 1 checkpoint" */
static char *points_text(const struct warning *warning)
{
    struct buf text = {0};

    put_count(warning->snapshots, "snapshot", &text);
    put_count(warning->checkpoints, "checkpoint", &text);
    return buf_take_str(&text);
}

struct warning_field {
    const char *name;
    const char *value;
};

static const char *find_field(const struct warning_field *fields, const char *name, size_t len)
{
    for (; fields->name; fields++)
        if (strlen(fields->name) == len && memcmp(fields->name, name, len) == 0)
            return fields->value;
    return NULL;
}

/* A field that is unknown or not filled in is our own fault, but none to lose a warning for: it stays
 * as it is in the row. */
static char *fill_in(const char *row, const struct warning_field *fields)
{
    struct buf text = {0};

    while (*row) {
        size_t len = strcspn(row, "{");
        buf_append(&text, row, len);
        row += len;
        if (!*row)
            break;
        len = strcspn(row, "}") + 1;
        const char *value = find_field(fields, row + 1, len - 2);
        buf_append(&text, value ? value : row, value ? strlen(value) : len);
        row += len;
    }
    return buf_take_str(&text);
}

char *warnings_text(const struct warning *warning)
{
    char time[WHEN_TEXT_SIZE];
    char newer[WHEN_TEXT_SIZE];
    char buffer[UNITS_TEXT_SIZE];
    char dictionary[UNITS_TEXT_SIZE];
    char chunk[UNITS_TEXT_SIZE];
    CLEANUP_FREE char *mode = mem_printf("%04o", warning->mode);
    CLEANUP_FREE char *new_mode = mem_printf("%04o", warning->new_mode);
    CLEANUP_FREE char *points = points_text(warning);
    CLEANUP_FREE char *findings =
        warning->findings ? findings_line(warning->findings, "virt-backup list --json lists")
                          : NULL;
    const struct warning_field fields[] = {
        {"disk", warning->disk},
        {"guest", warning->guest},
        {"thing", thing_text(warning->thing)},
        {"name", warning->name},
        {"volume", warning->volume},
        {"uses", warning->uses},
        {"path", warning->path},
        {"other-path", warning->other_path},
        {"format", warning->format},
        {"codec", warning->codec},
        {"command", warning->command},
        {"finding", warning->finding},
        {"why", warning->why},
        {"time", warning->time ? when_local(warning->time, time) : NULL},
        {"newer", warning->newer ? when_local(warning->newer, newer) : NULL},
        {"buffer", units_format_size(warning->buffer_size, buffer)},
        {"dictionary", units_format_size(warning->dictionary_size, dictionary)},
        {"chunk", units_format_size(warning->chunk_size, chunk)},
        {"mode", mode},
        {"new-mode", new_mode},
        {"points", points},
        {"findings", findings},
        {NULL, NULL},
    };

    return fill_in(warnings_row(warning->kind), fields);
}
