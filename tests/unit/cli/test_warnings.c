/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "base/cleanup.h"
#include "base/units.h"
#include "base/when.h"
#include "cli/warnings.h"

static char kernel[] = "os/kernel: /srv/vmlinuz";
static struct definition_finding found[] = {{.text = kernel}};
static const struct definition_findings findings = {found, 1};

/* All that a warning can have. */
static struct warning full(enum warning_kind kind)
{
    return (struct warning){
        .kind = kind,
        .disk = "vda",
        .guest = "db",
        .name = "lan",
        .volume = "iso",
        .uses = "interface",
        .path = "/img/a",
        .other_path = "/img/b",
        .format = "vdi",
        .codec = "lzma:9",
        .command = "virsh net-start lan",
        .time = "2026-05-01T10:00:00Z",
        .newer = "2026-05-02T10:00:00Z",
        .finding = "os/kernel: /k",
        .why = "this is why",
        .findings = &findings,
        .thing = REF_NETWORK,
        .buffer_size = 60 * MIB,
        .dictionary_size = 4 * MIB,
        .chunk_size = 8 * MIB,
        .mode = 04777,
        .new_mode = 0775,
        .snapshots = 2,
        .checkpoints = 1,
    };
}

/* One line for each kind, in their order. */
static const char *const texts[WARNING_KINDS] = {
    [WARNING_COMPRESSION_BUFFER] = "--compression-buffer 60 MiB: lzma:9 gets a dictionary of 4 MiB "
                                   "and chunks of 8 MiB; a size "
                                   "that does not suit the level may compress badly",
    [WARNING_NO_SANDBOX] = "--no-sandbox: child processes run with full privileges; a flaw in a "
                           "decompressor is not contained",
    [WARNING_NOT_SEALED] = "backups are not sealed, so a restore will treat them as those of "
                           "another host: this is why",
    [WARNING_SEALS_UNKNOWN] = "this host's seals cannot be checked, so its own backups are treated "
                              "as those of another host: this is why",
    [WARNING_LEFT_BEHIND] = "this is why",
    [WARNING_LEFT_TO_RECOVER] = "this is why; to put it back, run: virt-backup recover",
    [WARNING_RECOVER_LATER] = "this is why; to wait longer, run: virt-backup recover",
    [WARNING_NOT_PUT_BACK] = "this is why",
    [WARNING_MEMORY_UNSAFE] = "the memory in the backup may be wrong: this QEMU can miss what an "
                              "emulated guest writes while it runs; --guest-memory pause is safe",
    [WARNING_MEMORY_FORCED] = "its memory changed faster than it could be copied, so the guest was "
                              "stopped for the rest",
    [WARNING_NOT_FROZEN] = "this is why; the disks are backed up as after a power failure",
    [WARNING_SNAPSHOTS_LEFT_OUT] = "disk 'vda' has internal snapshots, which are not backed up: "
                                   "only the current state of the disk is",
    [WARNING_OTHER_SOURCE] = "disk 'vda': this is why; the source that the running guest uses is "
                             "backed up",
    [WARNING_DISK_NOT_RUNNING] = "disk 'vda' is not backed up, because it is this is why; to back "
                                 "it up too, use --guest-memory save, or shut the guest down",
    [WARNING_MARKED_CORRUPT] = "disk 'vda': QEMU has marked its image as corrupt, so the backup of "
                               "it may be damaged; check the image with qemu-img check",
    [WARNING_FORMAT_UNWRITABLE] =
        "disk 'vda': a restore cannot create vdi images; the disk can only be restored as raw, to "
        "a block device given with --disk-map",
    [WARNING_NEEDS_TRUST] = "restoring it needs --trust-definition, because its backup has no "
                            "seal: os/kernel: /srv/vmlinuz",
    [WARNING_READ_WHOLE] = "disk 'vda' is read whole, not only what was written to it: this is why",
    [WARNING_SNAPSHOTS_NOT_FOLLOWED] =
        "disk 'vda' is read whole each time: to record what is written to it would keep the guest "
        "from being reverted to its internal snapshots",
    [WARNING_SAVE_IMAGE_UNKNOWN] =
        "the layout of libvirt's save image is unknown; it is stored as it is",
    [WARNING_SAVE_IMAGE_COMPRESSED] =
        "the layout of libvirt's save image is unknown; it is stored as it is, compressed as a "
        "whole, and virsh restore can read it only once it is decompressed, or restored by "
        "virt-backup",
    [WARNING_RENAMED_SINCE] =
        "skipped: this guest was renamed to 'db', whose backup of 2026-05-02 10:00:00 +0000 is "
        "newer than this one of 2026-05-01 10:00:00 +0000; to restore this one, name it with "
        "--domain-names",
    [WARNING_TRUSTED] = "its definition is trusted: os/kernel: /k",
    [WARNING_MEDIUM_LEFT_OUT] = "drive 'vda' is left empty: its medium is not in the backup",
    [WARNING_DISK_LEFT_OUT] =
        "disk 'vda' is not in the backup and is left out of the restored guest; use --disk-map "
        "vda=PATH to give it another place, or --keep-left-out to keep it where it was",
    [WARNING_MEMORY_DROPPED] =
        "its memory is not restored: the guest can only be resumed with all of its disks",
    [WARNING_SHARED_DIFFERS] =
        "disk 'vda' is shareable, but its contents differ from those in the other guest's backup, "
        "so it is restored as a separate disk",
    [WARNING_COPY_WITHOUT_MEMORY] =
        "its memory is not restored under a new name: the guest boots from its disks",
    [WARNING_COPY_NOT_STARTED] = "the original guest starts with the host; this copy does not",
    [WARNING_NO_MEMORY_IMAGE] = "the backup has no memory image, so the guest boots from its disks",
    [WARNING_POINTS_REMOVED] = "--replace has removed 2 snapshots and 1 checkpoint of guest 'db' "
                               "from libvirt, which would not fit the restored disks",
    [WARNING_POINTS_WOULD_BE_REMOVED] =
        "--replace would remove 2 snapshots and 1 checkpoint of guest 'db' from libvirt, which "
        "would not fit the restored disks",
    [WARNING_BASE_REPLACED] =
        "/img/a is replaced, so that /img/b, which is based on it, becomes useless",
    [WARNING_MODE_CHANGED] = "/img/a: its mode was 4777 and is now 0775",
    [WARNING_OWNER_CHANGED] = "without privileges, owner, group or SELinux context could not be "
                              "restored; the files belong to you",
    [WARNING_POOL_NOT_REFRESHED] = "this is why",
    [WARNING_HELD_BY_RESTORE] =
        "point lan is held by another restore, which releases it at its own end; "
        "to keep it until this one is done, use virt-backup hold",
    [WARNING_HOST_INACTIVE] = "this host's network 'lan' is not active, but the guest needs it "
                              "(interface); to start it, run: virsh net-start lan",
    [WARNING_HOST_LACKS] = "this host lacks the network 'lan' (interface), which the guest needs",
    [WARNING_HOST_LACKS_VOLUME] = "this host's storage pool 'lan' lacks the volume 'iso' "
                                  "(interface), which the guest needs",
    [WARNING_DEVICE_UNSURE] = "the guest uses the host device 'lan' (interface); make sure that "
                              "this host has it, and that it is the right one",
    [WARNING_UNKNOWN_OBJECT] =
        "lan: the repository has no objects with such names; it is left alone",
    [WARNING_SEAL_BROKEN] = "its seal is broken: the backup was changed after this host made it",
};

static void every_kind_has_its_text(void **state)
{
    (void)state;
    for (enum warning_kind kind = 0; kind < WARNING_KINDS; kind++) {
        const struct warning warning = full(kind);
        if (!warnings_row(kind) || !texts[kind])
            fail_msg("warning %d has no text, or none is expected of it here", (int)kind);
        CLEANUP_FREE char *text = warnings_text(&warning);
        assert_string_equal(text, texts[kind]);
    }
    assert_null(warnings_row(WARNING_KINDS));
}

static void a_field_that_is_missing_is_seen(void **state)
{
    (void)state;
    CLEANUP_FREE char *text = warnings_text(&(struct warning){WARNING_BASE_REPLACED, .path = "/a"});
    assert_string_equal(text, "/a is replaced, so that {other-path}, which is based on it, becomes "
                              "useless");
}

/* Names come from outside. */
static void a_field_is_not_read_as_a_row(void **state)
{
    (void)state;
    CLEANUP_FREE char *text =
        warnings_text(&(struct warning){WARNING_BASE_REPLACED, .path = "{why}", .other_path = "{"});
    assert_string_equal(text,
                        "{why} is replaced, so that {, which is based on it, becomes useless");
}

static void things_of_the_host_have_names(void **state)
{
    static const char *const things[REF_KINDS] = {
        [REF_NETWORK] = "network",
        [REF_INTERFACE] = "bridge or interface",
        [REF_NWFILTER] = "network filter",
        [REF_POOL] = "storage pool",
        [REF_SECRET_UUID] = "secret",
        [REF_SECRET_USAGE] = "secret for",
        [REF_DEVICE] = "host device",
        [REF_FILE] = "file",
        [REF_FOLDER] = "folder",
        [REF_PARENT] = "folder of",
        [REF_PIPE] = "pipe",
        [REF_TEMPLATE] = "file",
        [REF_SOCKET] = "socket",
        [REF_CPU] = "CPU",
        [REF_NODE] = "NUMA node",
        [REF_PAGES] = "huge page size",
        [REF_BACK_END] = "program",
    };

    (void)state;
    for (enum reference_kind kind = 0; kind < REF_KINDS; kind++) {
        struct warning warning = full(WARNING_HOST_LACKS);
        warning.thing = kind;
        if (!things[kind])
            fail_msg("no name is expected of thing %d here", (int)kind);
        CLEANUP_FREE char *text = warnings_text(&warning);
        CLEANUP_FREE char *expected = mem_printf(
            "this host lacks the %s 'lan' (interface), which the guest needs", things[kind]);
        assert_string_equal(text, expected);
    }
}

static void snapshots_and_checkpoints_are_counted(void **state)
{
    static const struct {
        size_t snapshots;
        size_t checkpoints;
        const char *text;
    } rows[] = {
        {1, 0, "removed 1 snapshot of guest"},
        {2, 0, "removed 2 snapshots of guest"},
        {0, 1, "removed 1 checkpoint of guest"},
        {1, 3, "removed 1 snapshot and 3 checkpoints of guest"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct warning warning = full(WARNING_POINTS_REMOVED);
        warning.snapshots = rows[i].snapshots;
        warning.checkpoints = rows[i].checkpoints;
        CLEANUP_FREE char *text = warnings_text(&warning);
        assert_text_has(text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_its_text),
        cmocka_unit_test(a_field_that_is_missing_is_seen),
        cmocka_unit_test(a_field_is_not_read_as_a_row),
        cmocka_unit_test(things_of_the_host_have_names),
        cmocka_unit_test(snapshots_and_checkpoints_are_counted),
    };

    setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests_name("cli warnings", tests, NULL, NULL);
}
