/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Points of one store become points of another: copy takes an archive's into a repository, export one
 * of a repository into an archive. A store's table of functions does each half: a point is read as
 * verify reads it, and a set is filled as backup fills it.
 *
 * The two stores cut images differently, so an image is decoded into a file without a name, which
 * checks it, and encoded from there (ops/transfer/spool.h). Nothing is in the target before commit, and the file
 * is gone with its descriptor, however the run ends.
 *
 * The manifest says the same of the guest, and other things of where its images are: it is a new text.
 * It gets this host's seal only if the point has it, and if that seal covers all that is copied; see
 * is_vouched_for.
 */
#include <string.h>

#include "base/quit.h"
#include "base/units.h"
#include "base/when.h"
#include "ops/backup_sizes.h"
#include "ops/events/course.h"
#include "ops/events/tally.h"
#include "ops/extras.h"
#include "ops/guests/select.h"
#include "ops/host_key.h"
#include "ops/memory.h"
#include "ops/transfer/children.h"
#include "ops/transfer/spool.h"
#include "ops/transfer/transfer.h"
#include "ops/verbs.h"

struct carry_run {
    const struct carry_options *options;
    const struct report *report;
    struct points_store *store;
    struct points_writer *writer;
    struct seal_key *key; /* this host's; NULL: it has none */
    /* One of them has a pool at a time. */
    struct children decoding;
    struct children encoding;
    struct course course;
    struct outcome *outcome;
};

struct carry_job {
    struct carry_run *run;
    struct point *from;
    struct points_set *to;
    struct manifest *manifest; /* the new one */
    struct codec_spec codec;
    uint64_t chunk_size;
    struct tally tally;
};

static void carry_job_clear(struct carry_job *job)
{
    points_abort(job->to);
    manifest_free(job->manifest);
    points_close(job->from);
    children_end(&job->run->decoding);
    children_end(&job->run->encoding);
}

/* ---- the manifest --------------------------------------------------------------------------- */

static int copy_manifest(const struct manifest *from, const struct parser *parser,
                         struct manifest **ret, struct err *err)
{
    struct manifest unsealed = *from;
    CLEANUP_BUF struct buf text = {0};

    unsealed.seal_key = NULL;
    if (manifest_format(&unsealed, parser, &text, err) < 0)
        return -1;
    const struct xml_text copy = {(const char *)text.data, text.len, parser, true};
    return manifest_read(&copy, ret, err);
}

/* Whether this host has written the point, and what it has written covers all that is copied: it must
 * not seal what somebody else could have slipped in. What comes before the stream of a memory image is
 * covered by the SHA-256 of its file, or by that of the header in a point of a repository. */
static bool is_vouched_for(const struct carry_job *job)
{
    const struct manifest *manifest = points_manifest(job->from);

    if (seal_check(&manifest->seal, job->run->key) != SEAL_FITS)
        return false;
    for (size_t i = 0; i < manifest->disk_count; i++)
        if (!manifest->disks[i].stored.image.has_content)
            return false;
    if (!manifest->memory)
        return true;
    return manifest->memory->place == PLACE_FILE ? manifest->memory->file.has_sha256
                                                 : manifest->memory->image.has_content;
}

static int describe_copy(struct carry_job *job, struct err *err)
{
    const struct children_options *children = &job->run->options->children;

    if (copy_manifest(points_manifest(job->from), job->run->options->source.parser, &job->manifest,
                      err) < 0)
        return -1;
    free(job->manifest->tool_version);
    job->manifest->tool_version = mem_strdup(VIRT_BACKUP_VERSION);
    job->manifest->seal_key = is_vouched_for(job) ? job->run->key : NULL;
    job->manifest->sandbox = children->foreign      ? SANDBOX_FOREIGN
                             : children->no_sandbox ? SANDBOX_NONE
                                                    : SANDBOX_FULL;
    return 0;
}

/* Takes over what ret owns. */
static void replace_stored(struct manifest_stored *stored, const struct manifest_stored *by)
{
    free(stored->file.name);
    *stored = *by;
}

/* ---- images --------------------------------------------------------------------------------- */

static int open_spool(const struct carry_job *job, const struct manifest_image *image,
                      struct spool **ret, struct err *err)
{
    const struct carry_options *options = job->run->options;
    const struct spool_request request = {
        .folder = options->staging_path ? options->staging_path : options->destination.path,
        .raw_size = image->raw_size,
        .written_chunk = image->chunk_size,
        .read_chunk = job->chunk_size,
    };

    return spool_open(&request, ret, err);
}

/* A spool that is filled, while the target is left alone. */
struct spooling {
    struct chunk_sink sink;
    struct points_set *to;
};

static int put_spooled(void *opaque, const struct chunk_output *output, struct err *err)
{
    const struct spooling *spooling = opaque;

    return spooling->sink.put(spooling->sink.opaque, output, err) < 0
               ? -1
               : points_show_life(spooling->to, err);
}

static int decode_into(struct carry_job *job, struct points_image *image, const char *what,
                       const struct manifest_stored *stored, struct spool *spool, struct err *err)
{
    struct spooling spooling = {spool_sink(spool), job->to};
    const struct chunk_sink sink = {.opaque = &spooling, .put = put_spooled};
    const struct chunk_source source = points_image_source(image);
    const struct codec_spec codec = points_image_codec(image);
    struct transfer transfer = {&job->run->decoding, job->run->report, job->tally.guest, what};

    if (children_pool(&job->run->decoding, &codec, source.chunk_size, 0, err) < 0)
        return -1;
    int result = transfer_out(&transfer, &source, &sink, &stored->image, err);
    children_end(&job->run->decoding);
    return result < 0 ? -1 : spool_flush(spool, err);
}

static int encode_from(struct carry_job *job, const struct points_facts *facts, struct spool *spool,
                       const char *what, struct manifest_stored *ret, struct err *err)
{
    struct chunk_source source = spool_source(spool);
    struct transfer transfer = {&job->run->encoding, job->run->report, job->tally.guest, what};
    struct chunk_sink sink;
    struct tally_image image = {.what = what, .read = facts->raw_size};

    if (points_create_image(job->to, facts, &source, &sink, err) < 0 ||
        children_pool(&job->run->encoding, &job->run->options->codec, job->chunk_size,
                      units_div_up(facts->raw_size, job->chunk_size), err) < 0)
        return -1;
    int result = transfer_in(&transfer, &source, &sink, err);
    children_end(&job->run->encoding);
    if (result < 0 || points_finish_image(job->to, ret, &image.usage, err) < 0)
        return -1;
    tally_stored(&job->tally, ret, &image);
    return 0;
}

/* stored: of the point that is copied; ret: the same of the new one. */
static int carry_image(struct carry_job *job, const struct points_item *item,
                       const struct manifest_stored *stored, struct manifest_stored *ret,
                       struct err *err)
{
    const char *what = item->kind == POINTS_MEMORY ? "memory" : item->target;
    CLEANUP(points_close_imagep) struct points_image *image = NULL;
    const struct container_indexer indexer = children_indexer(&job->run->decoding);
    const struct points_image_request request = {stored, &indexer, .whole = true};
    struct manifest_stored copy = {0};
    CLEANUP(spool_closep) struct spool *spool = NULL;

    if (quit_check(err) < 0 || points_open_image(job->from, &request, &image, err) < 0 ||
        open_spool(job, &stored->image, &spool, err) < 0)
        return -1;
    const struct points_facts facts = {
        .item = *item,
        .codec = job->codec,
        .chunk_size = job->chunk_size,
        .raw_size = stored->image.raw_size,
        .head = points_image_head(image),
    };
    if (decode_into(job, image, what, stored, spool, err) < 0 ||
        encode_from(job, &facts, spool, what, &copy, err) < 0)
        return -1;
    replace_stored(ret, &copy);
    return 0;
}

static int carry_disks(struct carry_job *job, struct err *err)
{
    const struct manifest *from = points_manifest(job->from);

    for (size_t i = 0; i < from->disk_count; i++) {
        const struct points_item item = {.kind = POINTS_DISK, .target = from->disks[i].target};
        if (carry_image(job, &item, &from->disks[i].stored, &job->manifest->disks[i].stored, err) <
            0)
            return err_prefix(err, "disk '%s'", item.target);
    }
    return 0;
}

static int carry_rest(struct carry_job *job, struct err *err)
{
    const struct manifest *from = points_manifest(job->from);
    const struct points_item memory = {.kind = POINTS_MEMORY};

    for (size_t i = 0; i < from->extra_count; i++) {
        struct manifest_stored copy = {0};
        if (extras_copy(job->from, &from->extras[i], job->to, &copy, err) < 0)
            return err_prefix(err, "%s", extras_kind_text(from->extras[i].kind));
        replace_stored(&job->manifest->extras[i].stored, &copy);
    }
    if (from->memory && carry_image(job, &memory, from->memory, job->manifest->memory, err) < 0)
        return err_prefix(err, "memory");
    return 0;
}

/* ---- a point -------------------------------------------------------------------------------- */

static uint64_t largest_image(const struct manifest *manifest)
{
    uint64_t largest = manifest->memory ? manifest->memory->image.raw_size : 0;

    for (size_t i = 0; i < manifest->disk_count; i++)
        if (manifest->disks[i].stored.image.raw_size > largest)
            largest = manifest->disks[i].stored.image.raw_size;
    return largest;
}

static int begin_copy(struct carry_job *job, struct err *err)
{
    const struct manifest *from = points_manifest(job->from);
    const struct carry_options *options = job->run->options;
    struct points_request request = {
        .guest = from->domain_name,
        .uuid = from->domain_uuid,
        .host = from->host,
        .host_uuid = from->host_uuid,
        .key = job->run->key,
        .replace = options->replace,
        .wait_ms = options->wait_ms,
        .tags = options->tags.names,
        .tag_count = options->tags.count,
        .derived_from = points_id(job->from),
        .memory = children_store_memory(&options->children),
    };

    /* Without a fraction it stands for the last millisecond of its second. */
    if (!when_parse(from->time, &request.taken_ms))
        return err_set(err, ERR_CORRUPT, "its manifest has the time '%s'", from->time);
    request.taken_ms -= request.taken_ms % 1000;
    return points_begin(job->run->writer, &request, &job->to, err);
}

static int try_items(const struct carry_job *job, struct err *err)
{
    const struct manifest *from = points_manifest(job->from);
    const struct points_item memory = {.kind = POINTS_MEMORY};

    for (size_t i = 0; i < from->disk_count; i++) {
        const struct points_item disk = {.kind = POINTS_DISK, .target = from->disks[i].target};
        if (points_expect(job->to, &disk, job->codec.type, err) < 0)
            return err_prefix(err, "disk '%s'", disk.target);
    }
    for (size_t i = 0; i < from->extra_count; i++) {
        const struct points_item extra = {.kind = POINTS_SMALL, .extra = from->extras[i].kind};
        if (points_expect(job->to, &extra, CODEC_NONE, err) < 0)
            return err_prefix(err, "%s", extras_kind_text(extra.extra));
    }
    if (from->memory && points_expect(job->to, &memory, job->codec.type, err) < 0)
        return err_prefix(err, "memory");
    return 0;
}

static int carry_point(struct carry_run *run, const char *guest, const char *id, struct err *err)
{
    struct carry_job job CLEANUP(carry_job_clear) = {
        .run = run,
        .tally = {.report = run->report,
                  .guest = guest,
                  .started_ms = units_now_ms(),
                  .copied = true},
    };
    CLEANUP_FREE char *there = NULL;
    struct sizing_plan plan;
    uint64_t volume = 0;

    if (points_open(run->store, guest, id, &job.from, err) < 0)
        return -1;
    const struct manifest *from = points_manifest(job.from);
    if (points_writer_find_copy(run->writer, from->domain_uuid, points_id(job.from), &there, err) <
        0)
        return -1;
    if (there) {
        report_event(
            run->report,
            &(struct event){.kind = EVENT_COPIED_BEFORE, .guest = guest, .point_id = there});
        return 0;
    }
    if (seal_check(&from->seal, run->key) == SEAL_BROKEN)
        report_warning(run->report, guest, &(struct warning){WARNING_SEAL_BROKEN});
    /* Each image is read twice. */
    if (units_mul(backup_sizes_images(job.from), 2, &volume))
        course_volume(&run->course, volume);
    if (begin_copy(&job, err) < 0 || describe_copy(&job, err) < 0 ||
        children_plan_images(&run->options->children, &run->options->destination,
                             &run->options->codec, largest_image(from), &plan, err) < 0)
        return -1;
    job.codec = plan.codec;
    job.chunk_size = plan.chunk_size;
    if (try_items(&job, err) < 0 || carry_disks(&job, err) < 0 || carry_rest(&job, err) < 0 ||
        quit_check(err) < 0)
        return -1;
    if (points_commit(TAKE_PTR(job.to), job.manifest, err) < 0)
        return -1;
    tally_done(&job.tally, job.manifest);
    sizes_add(&run->outcome->sizes, &job.tally.sizes);
    return 0;
}

/* ---- the run -------------------------------------------------------------------------------- */

static bool is_point_id(const char *word)
{
    return strlen(word) >= POINTS_ID_DIGITS && strspn(word, "0123456789abcdef") == strlen(word);
}

/* The point whose id begins so, of whatever guest. */
static int choose_by_id(const struct carry_run *run, const char *word, struct selection *ret,
                        struct err *err)
{
    struct selection all CLEANUP(selection_clear) = {0};
    CLEANUP_ERR struct err trashed = ERR_INIT;
    size_t found = 0;

    if (select_all(run->store, &all, err) < 0)
        return -1;
    for (size_t i = 0; i < all.count; i++) {
        CLEANUP_ERR struct err why = ERR_INIT;
        all.chosen[i] = points_find(run->store, all.names[i], word, &all.points[i], &why) == 0;
        if (!all.chosen[i] && why.kind != ERR_NOT_FOUND)
            return err_move(err, &why);
        if (why.remedy == ERR_REMEDY_UNDELETE)
            err_move(&trashed, &why);
        found += all.chosen[i];
    }
    if (found == 0 && trashed.text)
        return err_move(err, &trashed);
    if (found != 1)
        return err_set(err, found ? ERR_USAGE : ERR_NOT_FOUND, "%s has %s point '%s'",
                       points_store_title(run->store), found ? "more than one" : "no", word);
    *ret = all;
    all = (struct selection){0};
    return 0;
}

static int choose_points(const struct carry_run *run, struct selection *ret, struct err *err)
{
    const struct carry_options *options = run->options;
    const char *word = options->point;
    const struct name_list one = {&word, 1};
    const bool named = word && options->domains.count == 0 && strchr(word, '@');
    const struct select_request request = {
        .wanted = named ? &one : &options->domains,
        .excluded = &options->exclude_domains,
        .report = run->report,
        .outcome = run->outcome,
    };

    if (word && options->domains.count == 0 && is_point_id(word))
        return choose_by_id(run, word, ret, err);
    if (select_from_store(run->store, &request, ret, err) < 0)
        return -1;
    return select_points(run->store, &request, ret, named ? NULL : word, err);
}

static int carry_points(struct carry_run *run, struct selection *guests, struct err *err)
{
    course_begin(&run->course, run->report, guests->chosen, guests->count);
    for (size_t i = 0; i < guests->count; i++) {
        CLEANUP_ERR struct err guest_err = ERR_INIT;
        if (!guests->chosen[i])
            continue;
        if (quit_check(err) < 0)
            return -1;
        guests->chosen[i] = false;
        course_next(&run->course, i);
        if (carry_point(run, guests->names[i], guests->points[i], &guest_err) == 0) {
            run->outcome->good++;
            continue;
        }
        err_prefix(&guest_err, "guest '%s'", guests->names[i]);
        if (guest_err.kind == ERR_CANCELLED) {
            run->outcome->failed++;
            return err_move(err, &guest_err);
        }
        run->outcome->busy += guest_err.kind == ERR_BUSY;
        run->outcome->damaged = run->outcome->damaged || guest_err.kind == ERR_CORRUPT;
        report_failure(run->report, run->outcome, guests->names[i], &guest_err);
    }
    return 0;
}

static void carry_run_clear(struct carry_run *run)
{
    children_end(&run->decoding);
    children_end(&run->encoding);
    course_clear(&run->course);
    points_writer_close(run->writer);
    points_store_close(run->store);
    host_key_free(run->key);
}

int carry_run(const struct carry_options *options, struct spawner *spawner,
              const struct report *report, struct outcome *ret_outcome, struct err *err)
{
    struct selection guests CLEANUP(selection_clear) = {0};
    struct points_place source = options->source, destination = options->destination;
    struct carry_run run CLEANUP(carry_run_clear) = {
        .options = options,
        .report = report,
        .decoding = {.spawner = spawner,
                     .options = &options->children,
                     .decode = true,
                     .block_digests = source.is_repository},
        .encoding = {.spawner = spawner,
                     .options = &options->children,
                     .digests_known = destination.is_repository},
        .outcome = ret_outcome,
    };

    if (points_store_open(&source, &run.store, err) < 0 || choose_points(&run, &guests, err) < 0)
        return -1;
    if (children_warn_buffer(&options->children, &options->codec, report, err) < 0)
        return -1;
    children_warn(&options->children, report);
    run.key = host_key_for_reading(report);
    int result = points_writer_open(&destination, &run.writer, err);
    if (result == 0)
        result = carry_points(&run, &guests, err);
    for (size_t i = 0; i < guests.count; i++)
        if (guests.chosen[i] && quit_requested())
            report_not_tried(report, guests.names[i]);
    if (result < 0)
        ret_outcome->signal = quit_requested();
    return result;
}
