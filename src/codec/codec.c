/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec/codec.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"
#include "base/units.h"
#include "codec/backend.h"
#include "codec/chunk_digest.h"

struct codec_row {
    const char *name;
    const char *suffix;
    unsigned level_min;
    unsigned level_max;
    unsigned level_default;
    bool has_extreme;
    const char *levels; /* what the user may write after the colon; NULL: nothing */
    const struct codec_backend *backend;
};

static const struct codec_row codecs[] = {
    [CODEC_NONE] = {.name = "none", .suffix = "", .backend = &codec_backend_none},
    [CODEC_LZMA] = {.name = "lzma",
                    .suffix = ".xz",
                    .level_min = 0,
                    .level_max = 9,
                    .level_default = 6,
                    .has_extreme = true,
                    .levels = "0 to 9, or 0e to 9e for slower, better compression",
                    .backend = &codec_backend_lzma},
    [CODEC_ZSTD] = {.name = "zstd",
                    .suffix = ".zst",
                    .level_min = 1,
                    .level_max = 19,
                    .level_default = 3,
                    .levels = "1 to 19",
                    .backend = &codec_backend_zstd},
};

#define CODEC_COUNT ARRAY_COUNT(codecs)

static const struct codec_row *row_of(enum codec_type type)
{
    assert((size_t)type < CODEC_COUNT);
    return &codecs[type];
}

const struct codec_backend *codec_backend(enum codec_type type)
{
    return row_of(type)->backend;
}

/* ---- names ------------------------------------------------------------------ */

static const struct codec_row *row_named(const char *name, size_t len)
{
    for (size_t i = 0; i < CODEC_COUNT; i++)
        if (strlen(codecs[i].name) == len && strncasecmp(codecs[i].name, name, len) == 0)
            return &codecs[i];
    return NULL;
}

static int level_error(const struct codec_row *row, const char *text, struct err *err)
{
    if (!row->levels)
        return err_set(err, ERR_USAGE, "'%s': %s has no level", text, row->name);
    return err_set(err, ERR_USAGE, "'%s': the level of %s is %s", text, row->name, row->levels);
}

/* At most two digits, and an e where the codec has one. */
static int parse_level(const struct codec_row *row, const char *text, const char *level_text,
                       struct codec_spec *spec, struct err *err)
{
    unsigned level = 0;
    size_t digits = strspn(level_text, "0123456789");
    const char *rest = level_text + digits;

    if (!row->levels || digits < 1 || digits > 2)
        return level_error(row, text, err);
    for (size_t i = 0; i < digits; i++)
        level = level * 10 + (unsigned)(level_text[i] - '0');
    if (row->has_extreme && strcasecmp(rest, "e") == 0)
        spec->extreme = true;
    else if (*rest)
        return level_error(row, text, err);
    if (level < row->level_min || level > row->level_max)
        return level_error(row, text, err);
    spec->level = level;
    return 0;
}

int codec_parse(const char *text, struct codec_spec *ret, struct err *err)
{
    size_t name_len = strcspn(text, ":");
    const struct codec_row *row = row_named(text, name_len);
    struct codec_spec spec = {0};

    if (!row)
        return err_set(err, ERR_USAGE,
                       "unknown compression '%s'; choose none, lzma[:0-9[e]] or zstd[:1-19]", text);
    spec.type = (enum codec_type)(row - codecs);
    spec.level = row->level_default;
    if (text[name_len] && parse_level(row, text, text + name_len + 1, &spec, err) < 0)
        return -1;
    *ret = spec;
    return 0;
}

const char *codec_format(const struct codec_spec *spec, char text[static CODEC_TEXT_SIZE])
{
    const struct codec_row *row = row_of(spec->type);

    if (row->levels)
        snprintf(text, CODEC_TEXT_SIZE, "%s:%u%s", row->name, spec->level,
                 spec->extreme ? "e" : "");
    else
        snprintf(text, CODEC_TEXT_SIZE, "%s", row->name);
    return text;
}

const char *codec_suffix(enum codec_type type)
{
    return row_of(type)->suffix;
}

/* ---- checks ----------------------------------------------------------------- */

int codec_check_spec(const struct codec_spec *spec, struct err *err)
{
    if ((size_t)spec->type >= CODEC_COUNT)
        return err_set(err, ERR_INTERNAL, "unknown codec number %d", (int)spec->type);

    const struct codec_row *row = row_of(spec->type);
    if (spec->level < row->level_min || spec->level > row->level_max ||
        (spec->extreme && !row->has_extreme))
        return err_set(err, ERR_INTERNAL, "%s has no level %u%s", row->name, spec->level,
                       spec->extreme ? "e" : "");
    if (!spec->dict_size)
        return 0;

    uint64_t step;
    for (unsigned i = 0; (step = row->backend->dictionary_step(i)); i++)
        if (step == spec->dict_size)
            return 0;
    return err_set(err, ERR_INTERNAL, "%s has no dictionary of %" PRIu64 " bytes", row->name,
                   spec->dict_size);
}

int codec_check_chunk_size(uint64_t chunk_size, struct err *err)
{
    if (chunk_size < CODEC_CHUNK_MIN || chunk_size > CODEC_CHUNK_MAX ||
        !units_is_power_of_two(chunk_size))
        return err_set(err, ERR_INTERNAL, "a chunk cannot have %" PRIu64 " bytes", chunk_size);
    return 0;
}

/* ---- figures ---------------------------------------------------------------- */

/* At all but the highest levels an image of a few GiB has more chunks than the host has CPUs,
 * and a child's chunk buffers are not much larger than its encoder. */
uint64_t codec_default_chunk_size(const struct codec_spec *spec)
{
    uint64_t wanted = codec_backend(spec->type)->chunk_size(spec);
    uint64_t size = CODEC_CHUNK_MIN;

    while (size < wanted && size < CODEC_CHUNK_MAX)
        size *= 2;
    return size;
}

uint64_t codec_encoder_memory(const struct codec_spec *spec)
{
    return codec_backend(spec->type)->encoder_memory(spec) + chunk_digest_memory();
}

uint64_t codec_decoder_memory(const struct codec_spec *spec)
{
    return codec_backend(spec->type)->decoder_memory(spec) + chunk_digest_memory();
}

size_t codec_result_bound(const struct codec_spec *spec, uint64_t chunk_size)
{
    return codec_backend(spec->type)->result_bound(chunk_size);
}

int codec_fit_memory(struct codec_spec *spec, uint64_t budget, struct err *err)
{
    const struct codec_backend *backend = codec_backend(spec->type);
    struct codec_spec own = *spec;
    uint64_t best_memory = 0;
    uint64_t best_size = 0;
    uint64_t step;
    char name[CODEC_TEXT_SIZE];

    if (!backend->dictionary_step(0))
        return err_set(err, ERR_USAGE, "compression %s has no buffer to set the size of",
                       codec_format(spec, name));

    own.dict_size = 0;
    uint64_t own_size = backend->dictionary(&own);
    for (unsigned i = 0; (step = backend->dictionary_step(i)); i++) {
        struct codec_spec candidate = own;
        candidate.dict_size = step;
        uint64_t memory = codec_encoder_memory(&candidate);
        /* Beyond the level's own size a step must buy something. */
        if (memory <= budget && (step <= own_size || memory > best_memory)) {
            best_memory = memory;
            best_size = step;
        }
    }
    if (!best_size) {
        char least[UNITS_TEXT_SIZE], given[UNITS_TEXT_SIZE];
        own.dict_size = backend->dictionary_step(0);
        return err_set(err, ERR_USAGE, "%s does not fit in %s: it takes at least %s",
                       codec_format(spec, name), units_format_size(budget, given),
                       units_format_size(codec_encoder_memory(&own), least));
    }
    spec->dict_size = best_size;
    return 0;
}

void codec_smallest(struct codec_spec *spec)
{
    uint64_t step = codec_backend(spec->type)->dictionary_step(0);

    if (step)
        spec->dict_size = step;
}

void codec_fit_chunk(struct codec_spec *spec, uint64_t chunk_size)
{
    const struct codec_backend *backend = codec_backend(spec->type);
    uint64_t step;

    if (backend->dictionary(spec) <= chunk_size)
        return;
    for (unsigned i = 0; (step = backend->dictionary_step(i)) && step <= chunk_size; i++)
        spec->dict_size = step;
}

bool codec_next_lower(const struct codec_spec *spec, struct codec_spec *ret)
{
    uint64_t memory = codec_encoder_memory(spec);
    struct codec_spec lower = *spec;

    lower.dict_size = 0;
    for (;;) {
        if (lower.extreme) {
            lower.extreme = false;
        } else if (lower.level > row_of(spec->type)->level_min) {
            lower.level--;
            lower.extreme = spec->extreme;
        } else {
            return false;
        }
        if (codec_encoder_memory(&lower) < memory) {
            *ret = lower;
            return true;
        }
    }
}
