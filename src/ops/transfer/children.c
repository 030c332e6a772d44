/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/transfer/children.h"

#include "base/units.h"

int children_plan(const struct children_options *options, const struct children_task *task,
                  struct sizing_plan *ret, struct err *err)
{
    struct sizing_host host;
    const struct sizing_request request = {
        .codec = *task->codec,
        .decode = task->decode,
        .chunk_size = task->chunk_size,
        .memory_limit = options->memory_limit,
        .compression_buffer = task->decode ? 0 : options->compression_buffer,
        .children = options->children,
        .image_chunks = task->chunks,
    };

    if (sizing_read_host(&host, err) < 0)
        return -1;
    return sizing_plan(&host, &request, ret, err);
}

uint64_t children_store_memory(const struct children_options *options)
{
    return options->memory_limit ? SIZING_RESERVE / 2 : 0;
}

/* The part of a plan that depends on neither host nor image: codec, chunk size, memory of a child. */
static int fit_children(const struct children_options *options, const struct codec_spec *codec,
                        struct sizing_plan *ret, struct err *err)
{
    const struct sizing_request request = {
        .codec = *codec,
        .chunk_size = options->chunk_size,
        .compression_buffer = options->compression_buffer,
    };

    return sizing_fit(&request, ret, err);
}

int children_plan_images(const struct children_options *options, const struct points_place *place,
                         const struct codec_spec *codec, uint64_t largest, struct sizing_plan *ret,
                         struct err *err)
{
    uint64_t required = points_chunk_size(place, codec->type);
    struct sizing_plan fitted;

    if (fit_children(options, codec, &fitted, err) < 0)
        return -1;
    uint64_t chunks = units_div_up(largest, required ? required : fitted.chunk_size);
    if (!required && codec->type != CODEC_NONE && chunks > CONTAINER_MAX_BLOCKS)
        return err_set(err, ERR_USAGE,
                       "its largest disk has more chunks than the index of a compressed file can "
                       "list; choose a larger --chunk-size");
    const struct children_task task = {
        .codec = codec,
        /* 0 if the user set none: the codec at the level that fits has its own default. */
        .chunk_size = required ? required : options->chunk_size,
        .chunks = chunks,
    };
    return children_plan(options, &task, ret, err);
}

int children_warn_buffer(const struct children_options *options, const struct codec_spec *codec,
                         const struct report *report, struct err *err)
{
    struct sizing_plan plan;
    char name[CODEC_TEXT_SIZE];

    if (!options->compression_buffer)
        return 0;
    if (fit_children(options, codec, &plan, err) < 0)
        return -1;
    report_warning(report, NULL,
                   &(struct warning){WARNING_COMPRESSION_BUFFER, .codec = codec_format(codec, name),
                                     .buffer_size = options->compression_buffer,
                                     .dictionary_size = plan.codec.dict_size,
                                     .chunk_size = plan.chunk_size});
    return 0;
}

void children_warn(const struct children_options *options, const struct report *report)
{
    if (options->no_sandbox)
        report_warning(report, NULL, &(struct warning){WARNING_NO_SANDBOX});
}

/* A pool made for an image of few chunks is too small for an image of many. */
static bool is_large_enough(const struct children *children, uint64_t chunks)
{
    unsigned count = pool_children(children->pool);

    return count < children->chunks || (chunks > 0 && chunks <= count);
}

static bool pool_fits(const struct children *children, const struct codec_spec *codec,
                      uint64_t chunk_size, uint64_t chunks)
{
    const struct sizing_plan *plan = &children->plan;

    return children->pool && is_large_enough(children, chunks) && plan->chunk_size == chunk_size &&
           plan->codec.type == codec->type && plan->codec.level == codec->level &&
           plan->codec.extreme == codec->extreme && plan->codec.thorough == codec->thorough &&
           children->dict_size == codec->dict_size;
}

int children_pool(struct children *children, const struct codec_spec *codec, uint64_t chunk_size,
                  uint64_t chunks, struct err *err)
{
    struct sizing_plan *plan = &children->plan;
    const struct children_task task = {codec, children->decode, chunk_size, chunks};

    if (!pool_fits(children, codec, chunk_size, chunks)) {
        children_end(children);
        if (children_plan(children->options, &task, plan, err) < 0)
            return -1;
        const struct child_settings settings = {
            .codec = plan->codec,
            .decode = children->decode,
            .chunk_size = plan->chunk_size,
            .memory_limit = plan->encoder_memory,
            .block_digests = children->block_digests,
            .digests_known = children->digests_known,
            .foreign = children->options->foreign,
            .unconfined = children->options->no_sandbox,
        };
        children->dict_size = codec->dict_size;
        children->chunks = chunks > 0 ? chunks : UINT64_MAX;
        children->pool = pool_new(children->spawner, &settings, plan->children, err);
        if (!children->pool)
            return -1;
    }
    children->limit.rates = children->options->bandwidth_limit;
    return 0;
}

static int read_index(void *opaque, enum codec_type type, int fd, uint64_t start, uint64_t size,
                      struct container_index *ret, struct err *err)
{
    const struct children *children = opaque;
    const struct spawner_index what = {
        .type = type,
        .start = start,
        .size = size,
        .unconfined = children->options->no_sandbox,
    };

    return spawner_read_index(children->spawner, &what, fd, ret, err);
}

struct container_indexer children_indexer(struct children *children)
{
    return (struct container_indexer){.opaque = children, .read = read_index};
}

void children_end(struct children *children)
{
    pool_free(children->pool);
    children->pool = NULL;
}
