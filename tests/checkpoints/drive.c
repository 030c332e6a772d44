/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Checkpoints and increments of real guests, for the tests of them and of faults: calls what backups
 * call, and prints what it finds, one thing a line.
 *
 *     drive list GUEST                     ours
 *     drive validate GUEST NAME TARGET...
 *     drive delete GUEST NAME TARGET...
 *     drive capture GUEST MODE FOLDER OWNER DISK... [commit] [stop=STEP]
 *
 * MODE: live, pause, none, save, off. OWNER: of the checkpoint that is made, or "-". DISK: TARGET, "!" if it is to
 * be recorded, "=SINCE" if an increment is to be read. What the export holds goes to FOLDER/TARGET.whole,
 * and the increment is written over FOLDER/TARGET.raw. The name of each step is printed when it is
 * reached: read, ended, committing, committed. At that of "stop" it waits until it is killed.
 *
 * The exit status is 1 for a wrong command line, and 10 + the kind of an error.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "base/units.h"
#include "guest/checkpoint.h"
#include "ops/backup/capture.h"
#include "ops/undo/guest_lock.h"
#include "ops/undo/state_dir.h"

#define MOST_DISKS 8
#define PIECE MIB

struct drive {
    struct hypervisor *hypervisor;
    struct guest *guest;
};

static int open_guest(const char *name, struct drive *drive, struct err *err)
{
    return hypervisor_open(NULL, &drive->hypervisor, err) < 0
               ? -1
               : guest_find(drive->hypervisor, name, &drive->guest, err);
}

static void close_guest(struct drive *drive)
{
    if (drive->guest)
        guest_free(drive->guest);
    hypervisor_close(drive->hypervisor);
}

/* ---- the checkpoints -------------------------------------------------------------------------- */

static int list_names(struct drive *drive, struct err *err)
{
    CLEANUP_STRINGS struct strings names = {0};

    if (guest_checkpoint_list(drive->guest, NULL, &names, err) < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++)
        puts(names.items[i]);
    return 0;
}

static const char *const states[] = {"found", "redefined", "broken", "absent"};

static int validate(struct drive *drive, const struct guest_checkpoint *checkpoint, struct err *err)
{
    enum guest_checkpoint_state found[MOST_DISKS];

    if (guest_checkpoint_validate(drive->guest, checkpoint, found, err) < 0)
        return -1;
    for (size_t i = 0; i < checkpoint->targets->count; i++)
        printf("%s %s\n", checkpoint->targets->items[i], states[found[i]]);
    return 0;
}

static int delete_checkpoint(struct drive *drive, const struct guest_checkpoint *checkpoint,
                             struct err *err)
{
    bool off = false;

    if (guest_checkpoint_delete(drive->guest, checkpoint, &off, err) < 0)
        return -1;
    puts(off ? "off" : "deleted");
    return 0;
}

/* ---- a capture ---------------------------------------------------------------------------------- */

struct run {
    struct drive *drive;
    enum capture_mode mode;
    const char *folder;
    const char *owner; /* NULL: no checkpoint */
    const char *stop;  /* NULL: nowhere */
    bool commit;
    struct source source;
    struct capture_track tracks[MOST_DISKS];
    const char *since[MOST_DISKS]; /* as it was asked for */
    struct capture capture;
    struct staging *staging;
    int state_fd;
};

static int gather(struct drive *drive, enum capture_mode mode, const char *folder,
                  struct source *ret, struct err *err)
{
    const struct name_list none = {0};
    const struct source_request request = {
        .memory = capture_has_memory(mode),
        .exports = capture_has_exports(mode),
        .exclude_disks = &none,
        .destination = folder,
    };

    return source_gather(drive->hypervisor, drive->guest, &request, ret, err);
}

static void reach(const struct run *run, const char *step)
{
    printf("at %s\n", step);
    fflush(stdout);
    while (text_same(run->stop, step))
        pause();
}

/* Writes what the export does not call the same as before over what the file holds. */
static int copy(struct disk_reader *reader, int fd, uint64_t ret_sizes[3], struct err *err)
{
    CLEANUP_FREE uint8_t *piece = mem_alloc(PIECE);
    uint64_t size = disk_reader_size(reader);

    if (ftruncate(fd, (off_t)size) < 0)
        return err_set(err, ERR_IO, "cannot resize the copy");
    for (uint64_t offset = 0; offset < size;) {
        struct disk_part part;
        if (disk_reader_map(reader, offset, &part, err) < 0)
            return -1;
        uint64_t len = part.len < PIECE ? part.len : PIECE;
        memset(piece, 0, len);
        if (part.kind == DISK_DATA && disk_reader_read(reader, offset, piece, len, err) < 0)
            return -1;
        if (part.kind != DISK_SAME && io_pwrite(fd, piece, len, offset, err) < 0)
            return -1;
        ret_sizes[part.kind == DISK_SAME_ZERO ? DISK_ZERO : part.kind] += len;
        offset += len;
    }
    return 0;
}

static int read_disk(struct run *run, size_t index, const char *suffix, struct err *err)
{
    const struct source_disk *disk = &run->source.disks[index];
    CLEANUP_FREE char *path = mem_printf("%s/%s.%s", run->folder, disk->target, suffix);
    CLEANUP_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct disk_reader *reader = NULL;
    uint64_t sizes[3] = {0};

    if (fd < 0)
        return err_set_errno(err, errno, "cannot open %s", path);
    if (capture_open_disk(&run->capture, disk, &reader, err) < 0)
        return -1;
    int result = copy(reader, fd, sizes, err);
    capture_close_disk(&run->capture, reader);
    if (result == 0)
        printf("%s %s data=%llu zero=%llu same=%llu\n", disk->target, suffix,
               (unsigned long long)sizes[DISK_DATA], (unsigned long long)sizes[DISK_ZERO],
               (unsigned long long)sizes[DISK_SAME]);
    return result;
}

/* Each disk twice from the same job: what was written to it, and the whole of it. */
static int read_disks(struct run *run, struct err *err)
{
    for (size_t i = 0; i < run->source.disk_count; i++) {
        struct capture_track track = run->tracks[i];
        if (read_disk(run, i, "raw", err) < 0)
            return -1;
        run->tracks[i].since = NULL;
        if (read_disk(run, i, "whole", err) < 0)
            return -1;
        run->tracks[i] = track;
    }
    return 0;
}

static int at_instant(void *opaque, struct err *err)
{
    (void)opaque;
    (void)err;
    return 0;
}

static void on_event(void *opaque, const struct event *event)
{
    (void)opaque;
    (void)event;
}

static int begin(struct run *run, struct err *err)
{
    static const struct report report = {.event = on_event};
    struct drive *drive = run->drive;
    CLEANUP_FREE char *usual = hypervisor_staging_folder(drive->hypervisor);
    const struct staging_request staged = {
        .usual = usual, .destination = run->folder, .uuid = guest_uuid(drive->guest)};
    const struct capture_request request = {
        .calls = &capture_calls_libvirt,
        .hypervisor = drive->hypervisor,
        .guest = drive->guest,
        .uri = hypervisor_uri(drive->hypervisor),
        .uuid = guest_uuid(drive->guest),
        .name = guest_name(drive->guest),
        .source = &run->source,
        .archive = run->folder,
        .report = &report,
        .mode = run->mode,
        .state_fd = run->state_fd,
        .at_instant = at_instant,
        .owner = run->owner,
        .tracks = run->tracks,
    };

    if (capture_has_memory(run->mode) && staging_open(&staged, &run->staging, err) < 0)
        return -1;
    struct capture_request full = request;
    full.staging = run->staging;
    return capture_begin(&run->capture, &full, err);
}

static void tell_tracks(const struct run *run)
{
    static const char *const words[] = {
        [CAPTURE_RECORDS] = "records",     [CAPTURE_NOT_LOCAL] = "not-local",
        [CAPTURE_NOT_QCOW2] = "not-qcow2", [CAPTURE_OLD_QCOW2] = "old-qcow2",
        [CAPTURE_READ_ONLY] = "read-only", [CAPTURE_SNAPSHOTS] = "snapshots",
        [CAPTURE_NO_BITMAP] = "no-bitmap",
    };

    if (run->capture.intent.checkpoint)
        printf("checkpoint %s\n", run->capture.intent.checkpoint);
    for (size_t i = 0; i < run->source.disk_count; i++)
        printf("track %s %s %s\n", run->source.disks[i].target, words[run->tracks[i].recordable],
               run->since[i] ? states[run->tracks[i].state] : "-");
}

static int capture_and_commit(struct run *run, struct err *err)
{
    if (begin(run, err) < 0)
        return -1;
    tell_tracks(run);
    if (read_disks(run, err) < 0)
        return -1;
    reach(run, "read");
    if (capture_end(&run->capture, err) < 0)
        return -1;
    reach(run, "ended");
    if (!run->commit)
        return 0;
    if (capture_commit_begin(&run->capture, err) < 0)
        return -1;
    reach(run, "committing");
    capture_commit_end(&run->capture, true);
    reach(run, "committed");
    return 0;
}

static int parse_disk(struct run *run, const char *word, struct err *err)
{
    size_t len = strcspn(word, "!=");

    for (size_t i = 0; i < run->source.disk_count && i < MOST_DISKS; i++)
        if (strlen(run->source.disks[i].target) == len &&
            strncmp(run->source.disks[i].target, word, len) == 0) {
            run->tracks[i].record = word[len] == '!';
            run->tracks[i].since = strchr(word, '=') ? strchr(word, '=') + 1 : NULL;
            run->since[i] = run->tracks[i].since;
            return 0;
        }
    return err_set(err, ERR_USAGE, "%s: no such disk", word);
}

static int parse(struct run *run, char **words, struct err *err)
{
    static const char *const modes[] = {[CAPTURE_PAUSE] = "pause",
                                        [CAPTURE_LIVE] = "live",
                                        [CAPTURE_DISKS] = "none",
                                        [CAPTURE_SAVE] = "save",
                                        [CAPTURE_OFFLINE] = "off"};

    for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++)
        if (text_same(modes[i], words[0]))
            run->mode = (enum capture_mode)i;
    run->folder = words[1];
    run->owner = strcmp(words[2], "-") == 0 ? NULL : words[2];
    if (gather(run->drive, run->mode, run->folder, &run->source, err) < 0)
        return -1;
    for (char **word = words + 3; *word; word++)
        if (strcmp(*word, "commit") == 0)
            run->commit = true;
        else if (text_after(*word, "stop="))
            run->stop = text_after(*word, "stop=");
        else if (parse_disk(run, *word, err) < 0)
            return -1;
    return 0;
}

static int capture(struct drive *drive, char **words, struct err *err)
{
    struct run run = {.drive = drive, .state_fd = -1};
    struct lock_file *lock = NULL;

    int result = state_dir_open(&run.state_fd, err);
    if (result == 0)
        result = guest_lock_take(run.state_fd, guest_uuid(drive->guest), 0, &lock, err);
    if (result == 0)
        result = parse(&run, words, err);
    if (result == 0)
        result = capture_and_commit(&run, err);
    capture_clear(&run.capture, NULL, NULL);
    staging_close(run.staging);
    source_clear(&run.source);
    if (lock)
        guest_lock_leave(lock, run.state_fd, guest_uuid(drive->guest));
    lock_file_release(lock);
    close(run.state_fd);
    return result;
}

/* ---- the command line ----------------------------------------------------------------------------- */

static int drive_guest(const char *command, char **words, struct err *err)
{
    struct drive drive CLEANUP(close_guest) = {0};

    if (open_guest(words[0], &drive, err) < 0)
        return -1;
    if (strcmp(command, "list") == 0)
        return list_names(&drive, err);
    if (strcmp(command, "capture") == 0)
        return capture(&drive, words + 1, err);
    CLEANUP_STRINGS struct strings targets = {0};
    for (char **word = words + 2; *word; word++)
        strings_add(&targets, *word);
    const struct guest_checkpoint checkpoint = {words[1], &targets};
    return strcmp(command, "validate") == 0 ? validate(&drive, &checkpoint, err)
                                            : delete_checkpoint(&drive, &checkpoint, err);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int words; /* at least */
    } commands[] = {{"list", 3}, {"validate", 5}, {"delete", 5}, {"capture", 7}};
    CLEANUP_ERR struct err err = ERR_INIT;
    bool known = false;

    for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(*commands); i++)
        known = known || (strcmp(argv[1], commands[i].name) == 0 && argc >= commands[i].words);
    if (!known) {
        fputs("drive: see drive.c\n", stderr);
        return 1;
    }
    if (drive_guest(argv[1], argv + 2, &err) == 0)
        return 0;
    fprintf(stderr, "drive: %s\n", err.text);
    return 10 + (int)err.kind;
}
