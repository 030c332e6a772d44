/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtcp/sizing.h"

#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <unistd.h>

#include "base/units.h"
#include "mtcp/shared.h"
#include "mtcp/sizing_host.h"

uint64_t sizing_child_count(uint64_t total_memory, uint64_t buffer_size)
{
    if (total_memory <= SIZING_RESERVE || buffer_size == 0)
        return 0;
    return (total_memory - SIZING_RESERVE) / buffer_size;
}

/* ---- the host -------------------------------------------------------------- */

static unsigned affinity_cpus(void)
{
    /* enough for 64 Ki CPUs; the kernel refuses a set that is too small for it */
    enum { SETS = 64 };
    cpu_set_t set[SETS];
    long online;

    if (sched_getaffinity(0, sizeof(set), set) == 0)
        return (unsigned)CPU_COUNT_S(sizeof(set), set);
    online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}

int sizing_read_host(struct sizing_host *ret, struct err *err)
{
    struct sizing_host host;
    unsigned cpus = affinity_cpus();

    if (sizing_host_read("", &host, err) < 0)
        return -1;
    host.cpus = cpus < host.cpus ? cpus : host.cpus;
    *ret = host;
    return 0;
}

/* ---- the plan -------------------------------------------------------------- */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t total_memory(const struct sizing_host *host, const struct sizing_request *request)
{
    uint64_t total = least(host->total_memory, host->cgroup_limit);

    return request->memory_limit > 0 ? least(total, request->memory_limit) : total;
}

/* What may be taken by children: of the total as the formula says, and of what
 * is there now. */
static uint64_t usable_memory(const struct sizing_host *host, uint64_t total)
{
    uint64_t of_total = total > SIZING_RESERVE ? total - SIZING_RESERVE : 0;
    uint64_t of_available =
        host->available_memory > SIZING_MARGIN ? host->available_memory - SIZING_MARGIN : 0;

    return least(of_total, of_available);
}

/* Fills in the figures of one child. False: they add up to more than there is anywhere. */
static bool size_child(const struct codec_spec *codec, bool decode, uint64_t chunk_size,
                       struct sizing_plan *plan)
{
    struct child_settings settings = {.codec = *codec, .decode = decode, .chunk_size = chunk_size};
    struct shared_layout layout;
    uint64_t sum;

    /* what its encoder will do too; a dictionary beyond the chunk is only memory */
    if (!decode)
        codec_fit_chunk(&settings.codec, chunk_size);
    codec = &settings.codec;
    shared_layout(&settings, &layout);
    plan->codec = *codec;
    plan->chunk_size = chunk_size;
    plan->encoder_memory = decode ? codec_decoder_memory(codec) : codec_encoder_memory(codec);
    plan->control_memory = layout.output_size; /* of one child */
    if (!units_add(plan->encoder_memory, layout.total_size, &sum) ||
        !units_add(sum, layout.output_size, &sum) || !units_add(sum, SIZING_PROCESS, &sum))
        return false;
    plan->child_memory = sum;
    return true;
}

static uint64_t chunk_size_for(const struct sizing_request *request, const struct codec_spec *codec)
{
    return request->chunk_size > 0 ? request->chunk_size : codec_default_chunk_size(codec);
}

static int check_chunk_size(uint64_t chunk_size, struct err *err)
{
    char text[UNITS_TEXT_SIZE];

    if (chunk_size >= CODEC_CHUNK_MIN && chunk_size <= CODEC_CHUNK_MAX &&
        units_is_power_of_two(chunk_size))
        return 0;
    return err_set(err, ERR_USAGE,
                   "a chunk size of %s is not possible: it is a power of two from 64 KiB to "
                   "512 MiB",
                   units_format_size(chunk_size, text));
}

/* The nearest lower level of which a child fits, as a remedy. */
static void name_lower(const struct sizing_request *request, uint64_t usable, struct err *err)
{
    struct codec_spec codec = request->codec, lower;
    struct sizing_plan plan;
    char text[CODEC_TEXT_SIZE];

    codec.dict_size = 0;
    while (!request->decode && codec_next_lower(&codec, &lower)) {
        codec = lower;
        if (size_child(&codec, false, chunk_size_for(request, &codec), &plan) &&
            plan.child_memory <= usable) {
            err_append(err, "--compression %s fits", codec_format(&codec, text));
            return;
        }
    }
    err_append(err, "free some memory, or raise the limit");
}

static int refuse(const struct sizing_request *request, const struct sizing_plan *plan,
                  uint64_t usable, struct err *err)
{
    char name[CODEC_TEXT_SIZE], child[UNITS_TEXT_SIZE], total[UNITS_TEXT_SIZE],
        may[UNITS_TEXT_SIZE];

    codec_format(&plan->codec, name);
    units_format_size(plan->child_memory, child);
    units_format_size(plan->total_memory, total);
    units_format_size(usable, may);
    if (plan->children_allowed > 0)
        return err_set(
            err, ERR_USAGE,
            "%u child processes with %s take %s each, and of %s of memory only %s may be "
            "used: at most %" PRIu64 " fit",
            request->children, name, child, total, may, plan->children_allowed);
    err_set(err, ERR_USAGE,
            "not one child process fits: with %s it takes %s, and of %s of memory only %s may be "
            "used",
            name, child, total, may);
    name_lower(request, usable, err);
    return -1;
}

/* About one per CPU: one more than that, so that no CPU is idle while a child waits for
 * its result to be fetched. Raw bytes - all results of decoding, and of codec none - are too
 * many to be copied, and children wait until they are written: three more, with which a disk
 * that writes now fast and now slowly leaves no CPU idle. */
static unsigned choose_children(const struct sizing_host *host,
                                const struct sizing_request *request, uint64_t allowed)
{
    bool raw_results = request->decode || request->codec.type == CODEC_NONE;
    uint64_t more = raw_results ? 3 : 1;
    uint64_t children = request->children > 0 ? request->children : host->cpus + more;

    children = least(children, allowed);
    if (request->image_chunks > 0)
        children = least(children, request->image_chunks);
    return (unsigned)children;
}

int sizing_plan(const struct sizing_host *host, const struct sizing_request *request,
                struct sizing_plan *ret, struct err *err)
{
    struct sizing_plan plan = {0};
    struct codec_spec codec = request->codec;

    if (request->children > SIZING_MAX_CHILDREN)
        return err_set(err, ERR_USAGE, "%u child processes are too many: at most %u are possible",
                       request->children, SIZING_MAX_CHILDREN);
    if (request->compression_buffer > 0 && request->decode)
        return err_set(err, ERR_USAGE, "a compression buffer is of no use for decompression");
    if (request->compression_buffer > 0 &&
        codec_fit_memory(&codec, request->compression_buffer, err) < 0)
        return -1;
    uint64_t chunk_size = chunk_size_for(request, &codec);
    if (check_chunk_size(chunk_size, err) < 0)
        return -1;
    if (!size_child(&codec, request->decode, chunk_size, &plan))
        return err_set(err, ERR_USAGE, "a child process would take more than any memory");

    plan.buffer_overridden = request->compression_buffer > 0;
    plan.total_memory = total_memory(host, request);
    uint64_t usable = usable_memory(host, plan.total_memory);
    plan.children_allowed =
        least(sizing_child_count(plan.total_memory, plan.child_memory), usable / plan.child_memory);
    plan.children_allowed = least(plan.children_allowed, SIZING_MAX_CHILDREN);
    if (plan.children_allowed == 0 || request->children > plan.children_allowed)
        return refuse(request, &plan, usable, err);
    plan.children = choose_children(host, request, plan.children_allowed);
    plan.control_memory *= plan.children;
    plan.cpus = host->cpus;
    *ret = plan;
    return 0;
}
