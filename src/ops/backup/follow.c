/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/backup/follow.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/text.h"
#include "codec/chunk_digest.h"
#include "ops/events/report.h"
#include "ops/point_notes.h"

void follow_note(const struct follow *follow, const char *point)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    if (!follow->kept || !point)
        return;
    if (point_note_write(follow->request.state_fd, follow->note, point, &err) < 0)
        log_detail("guest '%s': its new point is not noted: %s", follow->request.guest, err.text);
}

/* ---- the facts --------------------------------------------------------------------------- */

static void look_at_file(const struct source_disk *disk, struct increment_facts *facts)
{
    struct stat st;

    if (disk->path && stat(disk->path, &st) == 0 && S_ISREG(st.st_mode)) {
        facts->has_inode = true;
        facts->inode = (uint64_t)st.st_ino;
    }
}

static struct increment_facts facts_of(const struct follow *follow, const struct source_disk *disk)
{
    const struct follow_request *request = &follow->request;
    struct increment_facts facts = {
        .base = points_base_trust(request->set, disk->target),
        .full_read = request->full_read,
        .owner = follow->owner,
        .host = request->host,
        .path = disk->path,
        .format = disk->format,
        .size = disk->info.image_size,
        .noted = follow->noted,
        .base_id = points_set_base(request->set),
        .state = GUEST_CHECKPOINT_FOUND,
    };

    if (!disk->local)
        facts.base = NULL;
    look_at_file(disk, &facts);
    return facts;
}

void follow_begin(struct follow *follow, const struct follow_request *request)
{
    size_t count = request->source->disk_count;

    if (!points_set_owner(request->set))
        return;
    follow->request = *request;
    follow->owner = mem_strdup(points_set_owner(request->set));
    follow->note = point_note_name(request->uuid, follow->owner);
    follow->noted = point_note_read(request->state_fd, follow->note);
    follow->tracks = mem_array(count + 1, sizeof(*follow->tracks));
    follow->facts = mem_array(count + 1, sizeof(*follow->facts));
    for (size_t i = 0; i < count; i++) {
        follow->facts[i] = facts_of(follow, &request->source->disks[i]);
        follow->tracks[i].record = true;
        if (increment_judge(&follow->facts[i]) == INCREMENT_SOUND)
            follow->tracks[i].since = follow->facts[i].base->checkpoint;
    }
}

void follow_clear(struct follow *follow)
{
    free(follow->tracks);
    free(follow->facts);
    free(follow->owner);
    free(follow->note);
    free(follow->noted);
    *follow = (struct follow){0};
}

/* ---- the decision ------------------------------------------------------------------------ */

static void tell_doubt(const struct follow *follow, const char *target, enum increment_doubt doubt)
{
    const char *reason = increment_reason(doubt);

    if (reason)
        report_warning(follow->request.report, follow->request.guest,
                       &(struct warning){WARNING_READ_WHOLE, .disk = target, .why = reason});
}

/* A disk that was never followed, or is not any more, is told of once: the next point will keep
 * nothing of it. */
static void tell_not_recorded(const struct follow *follow, size_t disk)
{
    const struct source_disk *source = &follow->request.source->disks[disk];
    const struct capture_track *track = &follow->tracks[disk];
    bool news = follow->facts[disk].base || !points_set_base(follow->request.set);

    if (track->recordable == CAPTURE_SNAPSHOTS && news)
        report_warning(follow->request.report, follow->request.guest,
                       &(struct warning){WARNING_SNAPSHOTS_NOT_FOLLOWED, .disk = source->target});
    else if (track->recordable == CAPTURE_READ_ONLY)
        log_detail("guest '%s': disk '%s' is read whole each time: the guest can only read it, and "
                   "it gets no bitmap",
                   follow->request.guest, source->target);
    else if (track->recordable == CAPTURE_NOT_QCOW2 || track->recordable == CAPTURE_OLD_QCOW2 ||
             track->recordable == CAPTURE_NOT_LOCAL)
        log_detail("guest '%s': disk '%s' is read whole each time: only images in files of format "
                   "qcow2, compat=1.1, can tell what has changed",
                   follow->request.guest, source->target);
}

void follow_settle(struct follow *follow)
{
    for (size_t i = 0; follow->tracks && i < follow->request.source->disk_count; i++) {
        struct increment_facts *facts = &follow->facts[i];
        bool asked = increment_judge(facts) == INCREMENT_SOUND;
        if (asked) {
            facts->read_only = follow->tracks[i].recordable == CAPTURE_READ_ONLY;
            facts->state = follow->tracks[i].state;
        }
        tell_doubt(follow, follow->request.source->disks[i].target, increment_judge(facts));
        if (!follow->tracks[i].record)
            tell_not_recorded(follow, i);
    }
}

/* Whether all of it is the same as before. */
static int is_clean(struct disk_reader *reader, uint64_t offset, size_t len, bool *ret,
                    struct err *err)
{
    *ret = true;
    for (uint64_t end = offset + len; *ret && offset < end;) {
        struct disk_part part;
        if (disk_reader_map(reader, offset, &part, err) < 0)
            return -1;
        *ret = part.kind == DISK_SAME || part.kind == DISK_SAME_ZERO;
        offset += part.len;
    }
    return 0;
}

static int check_witnesses(const struct follow *follow, const char *target,
                           struct disk_reader *reader, bool *ret_differ, uint64_t *ret_read,
                           struct err *err)
{
    CLEANUP_FREE uint8_t *data = mem_alloc(CHUNK_DIGEST_BLOCK);
    const struct points_set *set = follow->request.set;
    uint64_t offset = 0;
    size_t len = 0;
    bool clean = false;

    for (size_t n = 0; !*ret_differ && points_witness(set, target, n, &offset, &len); n++) {
        if (is_clean(reader, offset, len, &clean, err) < 0)
            return -1;
        if (!clean)
            continue;
        if (disk_reader_read(reader, offset, data, len, err) < 0)
            return -1;
        *ret_read += len;
        *ret_differ = !points_witness_fits(set, target, n, data);
    }
    return 0;
}

int follow_disk(struct follow *follow, const struct source_disk *disk, struct disk_reader *reader,
                bool *ret_increment, uint64_t *ret_read, struct err *err)
{
    *ret_increment = false;
    if (!follow->tracks)
        return 0;
    size_t number = (size_t)(disk - follow->request.source->disks);
    if (!follow->tracks[number].since)
        return 0;
    struct increment_facts *facts = &follow->facts[number];
    facts->base = points_base_trust(follow->request.set, disk->target); /* it may be gone */
    facts->size = disk_reader_size(reader);
    if (increment_judge(facts) == INCREMENT_SOUND &&
        check_witnesses(follow, disk->target, reader, &facts->witnesses_differ, ret_read, err) < 0)
        return -1;
    enum increment_doubt doubt = increment_judge(facts);
    tell_doubt(follow, disk->target, doubt);
    *ret_increment = doubt == INCREMENT_SOUND;
    return 0;
}

/* ---- what is kept ------------------------------------------------------------------------ */

#define GRANULARITY_LEAST 4096u
#define GRANULARITY_MOST 65536u

/* QEMU's choice for a bitmap: the image's cluster size within bounds. */
static uint64_t granularity_of(const struct source_disk *disk)
{
    uint64_t cluster = GRANULARITY_MOST;

    for (size_t i = 0; i < disk->info.option_count; i++)
        if (strcmp(disk->info.options[i].name, "cluster_size") == 0)
            cluster = strtoull(disk->info.options[i].value, NULL, 10);
    if (cluster < GRANULARITY_LEAST)
        return GRANULARITY_LEAST;
    return cluster > GRANULARITY_MOST ? GRANULARITY_MOST : cluster;
}

void follow_keep(struct follow *follow, const struct capture *capture,
                 const struct source_disk *disk, uint64_t size)
{
    const struct intent *intent = &capture->intent;

    if (!follow->tracks || !intent->checkpoint)
        return;
    size_t number = (size_t)(disk - follow->request.source->disks);
    if (!follow->tracks[number].record)
        return;
    const struct increment_facts *facts = &follow->facts[number];
    const struct guest_checkpoint checkpoint = {intent->checkpoint, &intent->recorded};
    CLEANUP_FREE char *redefine = guest_checkpoint_xml(&checkpoint);
    const struct trust trust = {
        .checkpoint = intent->checkpoint,
        .bitmap = intent->checkpoint,
        .granularity = granularity_of(disk),
        .size = size,
        .path = disk->path,
        .format = disk->format,
        .host = (char *)(uintptr_t)follow->request.host,
        .has_inode = facts->has_inode,
        .inode = facts->inode,
        .redefine = redefine,
    };
    points_keep_trust(follow->request.set, disk->target, &trust);
    follow->kept = true;
}
