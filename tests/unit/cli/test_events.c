/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "base/array.h"
#include "base/cleanup.h"
#include "base/units.h"
#include "event_rows.h"

/* ---- what the events are about -------------------------------------------------------------- */

static char kernel[] = "os/kernel: /k";
static struct definition_finding found[] = {{.text = kernel}};
static const struct definition_findings findings = {found, 1};
static const struct definition_findings nothing = {0};

#define SIZES {4 * GIB, 2 * GIB, GIB}
#define SIZES_JSON "\"image-size\":4294967296,\"stored-size\":2147483648,\"disk-usage\":1073741824"

static const struct event_item disks[] = {
    {.target = "vda",
     .path = "/img/a",
     .format = "qcow2",
     .file = "web-vda.raw",
     .compression = "none",
     .sizes = SIZES,
     .shared = true},
};
static const struct event_item extras[] = {
    {.extra = EXTRA_TPM,
     .extra_name = "tpm",
     .path = "/tpm",
     .file = "web-tpm.state",
     .compression = "none",
     .sizes = SIZES,
     .replaces = true},
};
static const struct event_item memory = {
    .path = "/img/web.sav", .file = "web.sav", .compression = "zstd:3", .sizes = SIZES};
static const struct event_left_out left_out[] = {
    {.target = "sda", .device = "cdrom", .path = "/iso", .reason = "a medium"},
    {.target = "sdb", .device = "cdrom", .reason = "a medium"},
};
static const struct event_lacking lacking[] = {{"web-vda.raw", {ERR_NOT_FOUND, "/b is gone"}}};
static const char *const own[] = {"/a", "/b"};

#define DONE {.disks = 2, .memory = true, .sizes = SIZES, .elapsed_ms = 61000}
#define DONE_JSON "\"disks\":2,\"memory\":true," SIZES_JSON ",\"elapsed-ms\":61000"

/* ---- one row for each form that an event can take ---------------------------------------------- */

static const struct event_row rows[] = {
    {{EVENT_WARNING, "web", .warning = {WARNING_NOT_FROZEN, .why = "no agent"}},
     "warning",
     EVENT_AS_WARNING,
     "guest 'web': no agent; the disks are backed up as after a power failure",
     "{\"guest\":\"web\",\"warning\":\"no agent; the disks are backed up as after a power "
     "failure\"}"},
    {{EVENT_WARNING, .warning = {WARNING_POOL_NOT_REFRESHED, .why = "pool 'a': gone"}},
     "warning",
     EVENT_AS_WARNING,
     "pool 'a': gone",
     "{\"guest\":null,\"warning\":\"pool 'a': gone\"}"},
    {{EVENT_GUEST_FAILED, "web", .problem = {ERR_NO_SPACE, "guest 'web': full"}},
     "guest-failed",
     EVENT_AS_ERROR,
     "guest 'web': full",
     "{\"guest\":\"web\",\"kind\":\"no-space\",\"error\":\"guest 'web': full\"}"},
    {{EVENT_GUEST_NOT_TRIED, "web"},
     "guest-not-tried",
     EVENT_AS_ERROR,
     "guest 'web': not tried",
     "{\"guest\":\"web\"}"},
    {{EVENT_NO_MATCH, .no_match = {NO_MATCH_GUEST, "--domain-names", "wbe", "archive /b"}},
     "no-match",
     EVENT_AS_ERROR,
     "--domain-names: archive /b has no guest 'wbe'",
     "{\"option\":\"--domain-names\",\"name\":\"wbe\",\"kind\":\"not-found\","
     "\"error\":\"--domain-names: archive /b has no guest 'wbe'\"}"},
    {{EVENT_NO_MATCH, .no_match = {NO_MATCH_TITLE, "--domain-titles", "Shp", "the hypervisor"}},
     "no-match",
     EVENT_AS_ERROR,
     "--domain-titles: the hypervisor has no guest with the title 'Shp'",
     "{\"option\":\"--domain-titles\",\"name\":\"Shp\",\"kind\":\"not-found\","
     "\"error\":\"--domain-titles: the hypervisor has no guest with the title 'Shp'\"}"},
    {{EVENT_NO_MATCH, .no_match = {NO_MATCH_TAG, "--domain-tags", "gold", "the hypervisor"}},
     "no-match",
     EVENT_AS_ERROR,
     "--domain-tags: the hypervisor has no guest with the tag 'gold'",
     "{\"option\":\"--domain-tags\",\"name\":\"gold\",\"kind\":\"not-found\","
     "\"error\":\"--domain-tags: the hypervisor has no guest with the tag 'gold'\"}"},
    {{EVENT_NO_MATCH, .no_match = {NO_MATCH_DISK, "--exclude-disk", "vdx"}},
     "no-match",
     EVENT_AS_ERROR,
     "--exclude-disk: none of the guests has a disk 'vdx'",
     "{\"option\":\"--exclude-disk\",\"name\":\"vdx\",\"kind\":\"not-found\","
     "\"error\":\"--exclude-disk: none of the guests has a disk 'vdx'\"}"},
    {{EVENT_NO_MATCH, .no_match = {NO_MATCH_DISK_IN_BACKUP, "--disks", "vdx", "web"}},
     "no-match",
     EVENT_AS_ERROR,
     "--disks: the backup of guest 'web' has no disk 'vdx'",
     "{\"option\":\"--disks\",\"name\":\"vdx\",\"kind\":\"not-found\","
     "\"error\":\"--disks: the backup of guest 'web' has no disk 'vdx'\"}"},
    {{EVENT_NO_MATCH, .no_match = {NO_MATCH_RESTORED, "--disk-map", "wbe"}},
     "no-match",
     EVENT_AS_ERROR,
     "--disk-map: guest 'wbe' is not one of those to be restored",
     "{\"option\":\"--disk-map\",\"name\":\"wbe\",\"kind\":\"not-found\","
     "\"error\":\"--disk-map: guest 'wbe' is not one of those to be restored\"}"},
    {{EVENT_BOTTLENECK, .bottleneck = {BOUND_WRITING, 20, 30, 50, 990, 107}},
     "bottleneck",
     EVENT_AS_DETAIL,
     "waited for: reading 20%, children 30%, writing 50%; bound by writing; codec efficiency 1.07",
     "{\"bound-by\":\"writing\",\"reading-percent\":20,\"children-percent\":30,"
     "\"writing-percent\":50,\"children-cpu-ms\":990,\"codec-efficiency-percent\":107}"},
    {{EVENT_LOCKS, .locks = {"/srv", "nfs"}},
     "locks",
     EVENT_AS_RESULT,
     "/srv is on nfs, where other hosts may not see this host's locks; do not back up guests of "
     "the same name there from two hosts at once",
     "{\"file-system\":\"nfs\"}"},
    {{EVENT_BACKUP_PLAN, "web",
      .backup_plan = {.destination = "/srv",
                      .state = "running",
                      .mode = CAPTURE_LIVE,
                      .has_live = true,
                      .image_size = 4 * GIB,
                      .disks = {disks, 1},
                      .extras = {extras, 1},
                      .memory = &memory,
                      .memory_at_most = true,
                      .memory_only_here = true,
                      .left_out = left_out,
                      .left_out_count = 1,
                      .compression = "zstd:3",
                      .chunk_size = 4 * MIB,
                      .children = {32 * MIB, 9, 2}}},
     "plan",
     EVENT_AS_RESULT,
     "guest 'web' (running): 1 disk, 4 GiB, to /srv; memory: live; the guest is stopped for a "
     "moment\n"
     "  vda: /img/a, qcow2, 4 GiB -> web-vda.raw\n"
     "  memory: at most 4 GiB -> web.sav\n"
     "  TPM state: /tpm -> web-tpm.state\n"
     "  sda: left out (a medium)\n"
     "  compression zstd:3, chunk size 4 MiB, memory per child 32 MiB, children allowed by memory "
     "9, children used 2: 64 MiB together\n"
     "  its memory can only be restored with virt-backup: virsh restore reads zstd since libvirt "
     "11",
     "{\"guest\":\"web\",\"destination\":\"/srv\",\"state\":\"running\",\"method\":\"live\","
     "\"image-size\":4294967296,\"disks\":[{\"target\":\"vda\",\"path\":\"/img/a\","
     "\"format\":\"qcow2\",\"image-size\":4294967296,\"file\":\"web-vda.raw\"}],"
     "\"extras\":[{\"kind\":\"tpm\",\"path\":\"/tpm\",\"file\":\"web-tpm.state\"}],"
     "\"memory\":{\"image-size\":4294967296,\"file\":\"web.sav\"},"
     "\"left-out\":[{\"target\":\"sda\",\"reason\":\"a medium\"}],\"compression\":\"zstd:3\","
     "\"chunk-size\":4194304,\"memory-per-child\":33554432,\"children-allowed\":9,"
     "\"children\":2,\"children-memory\":67108864}"},
    {{EVENT_IMAGE_STORED, "web", .image_stored = {"vda", "web-vda.raw", SIZES}},
     "disk-done",
     EVENT_AS_RESULT,
     "guest 'web': vda: 4 GiB stored as web-vda.raw, which takes 1 GiB",
     "{\"guest\":\"web\",\"disk\":\"vda\",\"file\":\"web-vda.raw\"," SIZES_JSON "}"},
    {{EVENT_IMAGE_STORED, "web", .image_stored = {"vda", NULL, SIZES, UINT64_C(4) << 30, false}},
     "disk-done",
     EVENT_AS_RESULT,
     "guest 'web': vda: 4 GiB, of which 1 GiB were new",
     "{\"guest\":\"web\",\"disk\":\"vda\",\"file\":null," SIZES_JSON
     ",\"read-size\":4294967296,\"increment\":false}"},
    {{EVENT_IMAGE_STORED, "web", .image_stored = {"vda", NULL, SIZES, UINT64_C(2) << 30, true}},
     "disk-done",
     EVENT_AS_RESULT,
     "guest 'web': vda: 4 GiB, of which 2 GiB were read and 1 GiB were new",
     "{\"guest\":\"web\",\"disk\":\"vda\",\"file\":null," SIZES_JSON
     ",\"read-size\":2147483648,\"increment\":true}"},
    {{EVENT_BACKED_UP, "web",
      .backed_up = {.done = DONE, .consistency = CONSISTENCY_PAUSE, .downtime = {true, 1230}}},
     "guest-done",
     EVENT_AS_RESULT,
     "guest 'web': backed up, 2 disks and memory: 4 GiB stored in 1 GiB, 1:01, down for 1.2 s",
     "{\"guest\":\"web\",\"method\":\"pause\",\"consistency\":\"memory\"," DONE_JSON
     ",\"downtime-ms\":1230}"},
    {{EVENT_BACKED_UP, "web",
      .backed_up = {.done = {.disks = 1, .sizes = SIZES}, .consistency = CONSISTENCY_CRASH}},
     "guest-done",
     EVENT_AS_RESULT,
     "guest 'web': backed up, 1 disk: 4 GiB stored in 1 GiB, 0:00",
     "{\"guest\":\"web\",\"method\":\"none\",\"consistency\":\"crash\",\"disks\":1,"
     "\"memory\":false," SIZES_JSON ",\"elapsed-ms\":0}"},
    {{EVENT_RESTORE_PLAN, "new",
      .restore_plan = {.backup_of = "web",
                       .renamed = true,
                       .source = "/srv",
                       .destination = "/img",
                       .defined = true,
                       .sizes = SIZES,
                       .disks = {disks, 1},
                       .extras = {extras, 1},
                       .memory = &memory,
                       .left_out = left_out,
                       .left_out_count = 2,
                       .findings = &findings,
                       .children = {.child_memory = 32 * MIB, .used = 2}}},
     "plan",
     EVENT_AS_RESULT,
     "guest 'web': would be restored as new: 4 GiB from 1 GiB\n"
     "  vda: /img/a, qcow2, 4 GiB from web-vda.raw, which takes 1 GiB, shared with another guest\n"
     "  TPM state: /tpm, 4 GiB from web-tpm.state, which takes 1 GiB, replaces the file there\n"
     "  memory: /img/web.sav, 4 GiB from web.sav, which takes 1 GiB\n"
     "  sda: not in the backup, is /iso\n"
     "  sdb: not in the backup, left out\n"
     "  its definition reaches beyond the guest's own files:\n"
     "    os/kernel: /k\n"
     "  memory per child 32 MiB, children used 2: 64 MiB together",
     "{\"guest\":\"new\",\"backup-of\":\"web\",\"source\":\"/srv\",\"destination\":\"/img\","
     "\"defined\":true," SIZES_JSON ",\"disks\":[{\"target\":\"vda\",\"path\":\"/img/a\","
     "\"format\":\"qcow2\",\"shared\":true,\"file\":\"web-vda.raw\"," SIZES_JSON
     ",\"replaces\":false}],\"extras\":[{\"kind\":\"tpm\",\"path\":\"/tpm\","
     "\"file\":\"web-tpm.state\"," SIZES_JSON ",\"replaces\":true}],"
     "\"memory\":{\"path\":\"/img/web.sav\",\"file\":\"web.sav\"," SIZES_JSON
     ",\"replaces\":false},\"left-out\":[{\"target\":\"sda\",\"path\":\"/iso\"},"
     "{\"target\":\"sdb\",\"path\":null}],\"findings\":[{\"what\":\"os/kernel: /k\"}],"
     "\"memory-per-child\":33554432,\"children\":2,\"children-memory\":67108864}"},
    {{EVENT_DISK_RESTORED, "web",
      .disk_restored = {.target = "vda",
                        .path = "/img/a",
                        .format = "raw",
                        .file = "web-vda.raw",
                        .sizes = SIZES}},
     "disk-done",
     EVENT_AS_RESULT,
     "guest 'web': vda: 4 GiB restored as /img/a (raw)",
     "{\"guest\":\"web\",\"disk\":\"vda\",\"path\":\"/img/a\",\"format\":\"raw\","
     "\"file\":\"web-vda.raw\"," SIZES_JSON "}"},
    {{EVENT_RESTORED, "web", .restored = {.done = DONE, .state = "running", .started = true}},
     "guest-done",
     EVENT_AS_RESULT,
     "guest 'web': restored, 2 disks and memory: 4 GiB from 1 GiB, 1:01, now running",
     "{\"guest\":\"web\"," DONE_JSON ",\"state\":\"running\"}"},
    {{EVENT_RESTORED, "web",
      .restored = {.done = DONE, .state = "shut off", .start_with = "virsh restore /img/web.sav"}},
     "guest-done",
     EVENT_AS_RESULT,
     "guest 'web': restored, 2 disks and memory: 4 GiB from 1 GiB, 1:01; it is shut off; to resume "
     "it, run: virsh restore /img/web.sav",
     "{\"guest\":\"web\"," DONE_JSON ",\"state\":\"shut off\","
     "\"start-with\":\"virsh restore /img/web.sav\"}"},
    {{EVENT_RESTORED, "web", .restored = {.done = DONE, .state = "shut off"}},
     "guest-done",
     EVENT_AS_RESULT,
     "guest 'web': restored, 2 disks and memory: 4 GiB from 1 GiB, 1:01, shut off",
     "{\"guest\":\"web\"," DONE_JSON ",\"state\":\"shut off\"}"},
    {{EVENT_RESTORED, "web", .restored = {.done = DONE}},
     "guest-done",
     EVENT_AS_RESULT,
     "guest 'web': restored, 2 disks and memory: 4 GiB from 1 GiB, 1:01; no guest is defined",
     "{\"guest\":\"web\"," DONE_JSON "}"},
    {{EVENT_LISTED, "web",
      .listed = {.uuid = "1111",
                 .type = "kvm",
                 .time = "2026-05-01T10:00:00Z",
                 .host = "a",
                 .host_uuid = "2222",
                 .uri = "qemu:///system",
                 .state = "running",
                 .persistent = true,
                 .consistency = CONSISTENCY_FROZEN,
                 .consistency_name = "frozen",
                 .sandbox = SANDBOX_NONE,
                 .sandbox_name = "none",
                 .seal = SEAL_FITS,
                 .seal_name = "fits",
                 .format = 3,
                 .downtime = {true, 1230},
                 .sizes = SIZES,
                 .disks = {disks, 1},
                 .extras = {extras, 1},
                 .memory = &memory,
                 .left_out = left_out,
                 .left_out_count = 2,
                 .findings = &findings,
                 .lacking = lacking,
                 .lacking_count = 1}},
     "backup",
     EVENT_AS_RESULT,
     "web: 2026-05-01 10:00:00 +0000, running on a (frozen), 4 GiB stored in 1 GiB, down for 1.230 "
     "s, without sandbox, sealed by this host\n"
     "  vda: /img/a, qcow2, 4 GiB stored as web-vda.raw, which takes 1 GiB (none)\n"
     "  memory: 4 GiB stored as web.sav, which takes 1 GiB (zstd:3)\n"
     "  tpm: /tpm, 4 GiB stored as web-tpm.state, which takes 1 GiB (none)\n"
     "  sda: not in the backup (a medium): /iso\n"
     "  sdb: not in the backup (a medium)\n"
     "  restoring it on another host needs --trust-definition: os/kernel: /k\n"
     "  INCOMPLETE: /b is gone",
     "{\"guest\":\"web\",\"uuid\":\"1111\",\"type\":\"kvm\",\"time\":\"2026-05-01T10:00:00Z\","
     "\"host\":\"a\",\"host-uuid\":\"2222\",\"uri\":\"qemu:///system\",\"state\":\"running\","
     "\"persistent\":true,\"autostart\":false,\"method\":\"none\",\"consistency\":\"frozen\","
     "\"sandbox\":\"none\",\"seal\":\"fits\",\"format\":3,\"downtime-ms\":1230," SIZES_JSON
     ",\"disks\":[{\"target\":\"vda\",\"path\":\"/img/a\",\"format\":\"qcow2\","
     "\"file\":\"web-vda.raw\",\"compression\":\"none\"," SIZES_JSON
     "}],\"memory\":{\"file\":\"web.sav\",\"compression\":\"zstd:3\"," SIZES_JSON
     "},\"extras\":[{\"kind\":\"tpm\",\"path\":\"/tpm\",\"file\":\"web-tpm.state\","
     "\"compression\":\"none\"," SIZES_JSON "}],\"left-out\":[{\"target\":\"sda\","
     "\"device\":\"cdrom\",\"path\":\"/iso\",\"reason\":\"a medium\"},{\"target\":\"sdb\","
     "\"device\":\"cdrom\",\"path\":null,\"reason\":\"a medium\"}],"
     "\"findings\":[{\"what\":\"os/kernel: /k\"}],\"complete\":false,"
     "\"lacking\":[{\"file\":\"web-vda.raw\",\"kind\":\"not-found\",\"error\":\"/b is gone\"}]}"},
    {{EVENT_LISTED, "web",
      .listed = {.uuid = "1111",
                 .type = "kvm",
                 .time = "2026-05-01T10:00:00Z",
                 .host = "a",
                 .uri = "qemu:///system",
                 .state = "shut off",
                 .consistency = CONSISTENCY_OFFLINE,
                 .consistency_name = "offline",
                 .sandbox_name = "",
                 .seal = SEAL_BROKEN,
                 .seal_name = "broken",
                 .format = 2,
                 .sizes = SIZES,
                 .findings = &nothing}},
     "backup",
     EVENT_AS_RESULT,
     "web: 2026-05-01 10:00:00 +0000, shut off on a (offline), 4 GiB stored in 1 GiB, SEAL BROKEN",
     "{\"guest\":\"web\",\"uuid\":\"1111\",\"type\":\"kvm\",\"time\":\"2026-05-01T10:00:00Z\","
     "\"host\":\"a\",\"uri\":\"qemu:///system\",\"state\":\"shut off\",\"persistent\":false,"
     "\"autostart\":false,\"method\":\"offline\",\"consistency\":\"shut-off\","
     "\"seal\":\"broken\",\"format\":2," SIZES_JSON ",\"disks\":[],\"extras\":[],"
     "\"left-out\":[],\"findings\":[],\"complete\":true,\"lacking\":[]}"},
    {{EVENT_VERIFIED, "web", .verified = DONE},
     "guest-done",
     EVENT_AS_RESULT,
     "guest 'web': good, 2 disks and memory: 4 GiB stored in 1 GiB, 1:01",
     "{\"guest\":\"web\"," DONE_JSON "}"},
    {{EVENT_DAMAGE, "web", .problem = {ERR_CORRUPT, "a chunk is bad"}},
     "damage",
     EVENT_AS_ERROR,
     "guest 'web': a chunk is bad",
     "{\"guest\":\"web\",\"kind\":\"corrupt\",\"error\":\"a chunk is bad\"}"},
    {{EVENT_ORPHAN, .orphan = {"/srv", "web-vda.raw"}},
     "orphan",
     EVENT_AS_ERROR,
     "/srv/web-vda.raw: no manifest names this file; the backup it is part of cannot be restored "
     "without its manifest",
     "{\"file\":\"web-vda.raw\"}"},
    {{EVENT_VANISHED, "web"},
     "guest-removed",
     EVENT_AS_RESULT,
     "guest 'web': its backup was removed while the archive was being verified",
     "{\"guest\":\"web\"}"},
    {{EVENT_COPIED_BEFORE, "web", .point_id = "0198f3a2c4d51b7e00112233445566ff"},
     "copied-before",
     EVENT_AS_RESULT,
     "guest 'web': its backup was copied before, as point 0198f3a2c4d51b7e",
     "{\"guest\":\"web\",\"point\":\"0198f3a2c4d51b7e00112233445566ff\"}"},
    {{EVENT_REMOVED, "web", .removed = {"2026-05-01T10:00:00Z", "a"}},
     "backup-removed",
     EVENT_AS_RESULT,
     "guest 'web': the backup of 2026-05-01 10:00:00 +0000, made on a, is removed",
     "{\"guest\":\"web\",\"time\":\"2026-05-01T10:00:00Z\",\"host\":\"a\"}"},
    {{EVENT_RECOVERED, "web", .recovered = {"2026-05-01T10:00:00Z", NULL}},
     "guest-recovered",
     EVENT_AS_RESULT,
     "guest 'web': put back; the run of 2026-05-01 10:00:00 +0000 had not finished",
     "{\"guest\":\"web\",\"since\":\"2026-05-01T10:00:00Z\"}"},
    {{EVENT_RECOVERED, "web", .recovered = {"2026-05-01T10:00:00Z", "runs again"}},
     "guest-recovered",
     EVENT_AS_RESULT,
     "guest 'web': runs again",
     "{\"guest\":\"web\",\"since\":\"2026-05-01T10:00:00Z\"}"},
    {{EVENT_DISMISSED, "web", .dismissed = {.left = own, .left_count = 2}},
     "guest-dismissed",
     EVENT_AS_RESULT,
     "guest 'web': dismissed; these files are now yours: /a, /b",
     "{\"guest\":\"web\"}"},
    {{EVENT_DISMISSED, "web", .dismissed = {.checkpoint = "vb-1"}},
     "guest-dismissed",
     EVENT_AS_RESULT,
     "guest 'web': dismissed; to remove its checkpoint vb-1, if it was made, and those of its "
     "backups, run: virt-backup checkpoints --remove web",
     "{\"guest\":\"web\"}"},
    {{EVENT_FINDING, "web",
      .finding = {FINDING_PROBLEM, "disk", "vda", "/img/a", "it is gone", "virsh domblklist web"}},
     "finding",
     EVENT_AS_RESULT,
     "problem  guest 'web', disk 'vda': it is gone\n         remedy: virsh domblklist web",
     "{\"severity\":\"problem\",\"subject\":\"disk\",\"guest\":\"web\",\"disk\":\"vda\","
     "\"place\":\"/img/a\",\"text\":\"it is gone\",\"remedy\":\"virsh domblklist web\"}"},
    /* A name of a file that others have given it. */
    {{EVENT_FINDING,
      .finding = {FINDING_WARNING, "archive", NULL, "/b", "a\n         remedy: rm", NULL}},
     "finding",
     EVENT_AS_RESULT,
     "warning  archive /b: a          remedy: rm",
     "{\"severity\":\"warning\",\"subject\":\"archive\",\"guest\":null,\"disk\":null,"
     "\"place\":\"/b\",\"text\":\"a\\n         remedy: rm\",\"remedy\":null}"},
    {{EVENT_FINDING, .finding = {FINDING_GOOD, "libvirt", NULL, NULL, "9.0.0", NULL}},
     "finding",
     EVENT_AS_RESULT,
     "good     libvirt: 9.0.0",
     "{\"severity\":\"good\",\"subject\":\"libvirt\",\"guest\":null,\"disk\":null,\"place\":null,"
     "\"text\":\"9.0.0\",\"remedy\":null}"},
    {{EVENT_EXAMINED, .examined = {7, 0, 1, 2}},
     "examined",
     EVENT_AS_RESULT,
     "2 problems, 1 warning, 0 notes, 7 good",
     "{\"problems\":2,\"warnings\":1,\"notes\":0,\"good\":7}"},
    {{EVENT_CHECKPOINT, "web", .checkpoint = {"vb-1", false}},
     "checkpoint",
     EVENT_AS_RESULT,
     "guest 'web': checkpoint vb-1",
     "{\"guest\":\"web\",\"checkpoint\":\"vb-1\",\"removed\":false}"},
    {{EVENT_CHECKPOINT, "web", .checkpoint = {"vb-1", true}},
     "checkpoint",
     EVENT_AS_RESULT,
     "guest 'web': checkpoint vb-1 is removed",
     "{\"guest\":\"web\",\"checkpoint\":\"vb-1\",\"removed\":true}"},
    {{EVENT_DISMISSED, "web", .dismissed = {0}},
     "guest-dismissed",
     EVENT_AS_RESULT,
     "guest 'web': dismissed",
     "{\"guest\":\"web\"}"},
};
#define ROWS (sizeof(rows) / sizeof(*rows))

/* Of all files. */
static const struct event_row *row_at(size_t i)
{
    const struct {
        const struct event_row *rows;
        size_t count;
    } files[] = {{rows, ROWS},
                 {event_rows_keep, event_rows_keep_count},
                 {event_rows_job, event_rows_job_count}};

    for (size_t file = 0; file < ARRAY_COUNT(files); file++) {
        if (i < files[file].count)
            return &files[file].rows[i];
        i -= files[file].count;
    }
    return NULL;
}

/* ---- tests --------------------------------------------------------------------------------------- */

static void every_kind_has_its_form(void **state)
{
    (void)state;
    for (enum event_kind kind = 0; kind < EVENT_KINDS; kind++) {
        const struct event_form *form = events_form(kind);
        size_t tried = 0;
        for (size_t i = 0; row_at(i); i++)
            tried += row_at(i)->event.kind == kind;
        if (!form || !form->name || !form->write_text || !form->write_fields || !tried)
            fail_msg("event %d has no form, or is not tried here", (int)kind);
    }
    assert_null(events_form(EVENT_KINDS));
}

static void people_read_what_happened(void **state)
{
    (void)state;
    for (size_t i = 0; row_at(i); i++) {
        const struct event_row *row = row_at(i);
        CLEANUP_FREE char *text = events_text(&row->event);
        assert_string_equal(text, row->text);
        assert_int_equal(events_form(row->event.kind)->shown, row->shown);
    }
}

static void programs_get_objects(void **state)
{
    (void)state;
    for (size_t i = 0; row_at(i); i++) {
        const struct event_row *row = row_at(i);
        CLEANUP(json_freep) struct json *fields = events_fields(&row->event);
        CLEANUP_FREE char *object = json_format(fields);
        assert_string_equal(object, row->object);
        assert_string_equal(events_form(row->event.kind)->name, row->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_its_form),
        cmocka_unit_test(people_read_what_happened),
        cmocka_unit_test(programs_get_objects),
    };

    setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests_name("cli events", tests, NULL, NULL);
}
