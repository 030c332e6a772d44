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

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t total_memory(const struct sizing_host *host, const struct sizing_request *request)
{
    uint64_t total = lesser(host->total_memory, host->cgroup_limit);

    return request->memory_limit > 0 ? lesser(total, request->memory_limit) : total;
}

/* What may be taken by children: of the total as the formula says, and of what
 * is there now. */
static uint64_t usable_memory(const struct sizing_host *host, uint64_t total)
{
    uint64_t of_total = total > SIZING_RESERVE ? total - SIZING_RESERVE : 0;
    uint64_t of_available =
        host->available_memory > SIZING_MARGIN ? host->available_memory - SIZING_MARGIN : 0;

    return lesser(of_total, of_available);
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
    if (!units_add(plan->encoder_memory, layout.total_size, &sum) ||
        !units_add(sum, SIZING_PROCESS, &sum))
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
                   "invalid chunk size %s: it must be a power of two from 64 KiB to 512 MiB",
                   units_format_size(chunk_size, text));
}

/* What a child takes beside its encoder. */
static uint64_t buffers_of(const struct codec_spec *codec, uint64_t chunk_size)
{
    const struct child_settings settings = {.codec = *codec, .chunk_size = chunk_size};
    struct shared_layout layout;

    shared_layout(&settings, &layout);
    return (uint64_t)layout.total_size + SIZING_PROCESS;
}

/* With chunks of this size: the largest dictionary that leaves room for their buffers.
 * False: there is none. */
static bool fit_dictionary(const struct sizing_request *request, uint64_t chunk_size,
                           struct codec_spec *ret)
{
    struct codec_spec codec = request->codec;
    uint64_t buffers = buffers_of(&codec, chunk_size);

    if (buffers >= request->compression_buffer ||
        codec_fit_memory(&codec, request->compression_buffer - buffers, NULL) < 0)
        return false;
    codec_fit_chunk(&codec, chunk_size);
    *ret = codec;
    return true;
}

static int refuse_buffer(const struct sizing_request *request, struct err *err)
{
    uint64_t chunk_size = request->chunk_size > 0 ? request->chunk_size : CODEC_CHUNK_MIN;
    struct codec_spec least = request->codec;
    CLEANUP_ERR struct err why = ERR_INIT;
    char name[CODEC_TEXT_SIZE];
    char chunk[UNITS_TEXT_SIZE];
    char buffer[UNITS_TEXT_SIZE];
    char needed[UNITS_TEXT_SIZE];

    if (codec_fit_memory(&least, UINT64_MAX, &why) < 0) /* it has no dictionary */
        return err_move(err, &why);
    codec_smallest(&least);
    units_format_size(codec_encoder_memory(&least) + buffers_of(&least, chunk_size), needed);
    units_format_size(request->compression_buffer, buffer);
    units_format_size(chunk_size, chunk);
    codec_format(&request->codec, name);
    if (request->chunk_size > 0)
        return err_set(err, ERR_USAGE,
                       "%s with chunks of %s does not fit in a compression buffer of %s: it takes "
                       "at least %s; choose a smaller --chunk-size or a larger "
                       "--compression-buffer",
                       name, chunk, buffer, needed);
    return err_set(err, ERR_USAGE,
                   "%s does not fit in a compression buffer of %s: it takes at least %s", name,
                   buffer, needed);
}

static int fit_buffer(const struct sizing_request *request, struct sizing_plan *plan,
                      struct err *err)
{
    struct codec_spec best = {0};
    uint64_t best_chunk = 0;

    for (uint64_t size = CODEC_CHUNK_MAX; size >= CODEC_CHUNK_MIN; size /= 2) {
        struct codec_spec codec;
        if ((request->chunk_size > 0 && size != request->chunk_size) ||
            !fit_dictionary(request, size, &codec) || codec.dict_size <= best.dict_size)
            continue;
        /* More than suits its dictionary brings nothing, and costs memory. */
        if (request->chunk_size == 0 && size > codec_default_chunk_size(&codec))
            continue;
        best = codec;
        best_chunk = size;
    }
    if (best_chunk == 0)
        return refuse_buffer(request, err);
    if (!size_child(&best, false, best_chunk, plan))
        return err_set(err, ERR_INTERNAL, "a child process would take more than any memory");
    plan->child_memory = request->compression_buffer;
    return 0;
}

int sizing_fit(const struct sizing_request *request, struct sizing_plan *ret, struct err *err)
{
    uint64_t chunk_size = chunk_size_for(request, &request->codec);

    if (check_chunk_size(chunk_size, err) < 0)
        return -1;
    if (request->compression_buffer > 0 && request->decode)
        return err_set(err, ERR_USAGE, "a compression buffer has no effect on decompression");
    if (request->compression_buffer > 0)
        return fit_buffer(request, ret, err);
    if (!size_child(&request->codec, request->decode, chunk_size, ret))
        return err_set(err, ERR_USAGE, "a child process would take more than any memory");
    return 0;
}

/* The nearest lower level of which a child fits, as a remedy. */
static void name_lower_level(const struct sizing_request *request, uint64_t usable, struct err *err)
{
    struct codec_spec codec = request->codec, lower;
    struct sizing_plan plan;
    char text[CODEC_TEXT_SIZE];

    if (request->compression_buffer > 0) {
        err_append(err, "choose a smaller --compression-buffer");
        return;
    }
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

static int refuse_children(const struct sizing_request *request, const struct sizing_plan *plan,
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
    err_set(
        err, ERR_USAGE,
        "not even one child process fits: with %s it takes %s, and of %s of memory only %s may be "
        "used",
        name, child, total, may);
    name_lower_level(request, usable, err);
    return -1;
}

/* One per CPU, and one more, so that no CPU is idle while a child waits to be given its next
 * chunk. Raw results - all of decoding, and of codec none - are many bytes to be written: three
 * more, with which a disk that writes now fast and now slowly leaves no CPU idle. */
static unsigned choose_children(const struct sizing_host *host,
                                const struct sizing_request *request, uint64_t allowed)
{
    bool raw_results = request->decode || request->codec.type == CODEC_NONE;
    uint64_t more = raw_results ? 3 : 1;
    uint64_t children = request->children > 0 ? request->children : host->cpus + more;

    children = lesser(children, allowed);
    if (request->image_chunks > 0)
        children = lesser(children, request->image_chunks);
    return (unsigned)children;
}

int sizing_plan(const struct sizing_host *host, const struct sizing_request *request,
                struct sizing_plan *ret, struct err *err)
{
    struct sizing_plan plan = {0};

    if (request->children > SIZING_MAX_CHILDREN)
        return err_set(err, ERR_USAGE, "%u child processes are too many: at most %u are possible",
                       request->children, SIZING_MAX_CHILDREN);
    if (sizing_fit(request, &plan, err) < 0)
        return -1;
    plan.total_memory = total_memory(host, request);
    uint64_t usable = usable_memory(host, plan.total_memory);
    plan.children_allowed = lesser(sizing_child_count(plan.total_memory, plan.child_memory),
                                   usable / plan.child_memory);
    plan.children_allowed = lesser(plan.children_allowed, SIZING_MAX_CHILDREN);
    if (plan.children_allowed == 0 || request->children > plan.children_allowed)
        return refuse_children(request, &plan, usable, err);
    plan.children = choose_children(host, request, plan.children_allowed);
    plan.cpus = host->cpus;
    *ret = plan;
    return 0;
}
