/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/frame_plan.h"

#include <inttypes.h>

struct kept_frame {
    uint64_t last_use;
    uint32_t raw_len; /* 0: the slot is empty */
    size_t number;    /* of those that are kept */
    uint64_t left;    /* of its pieces, if that is noted */
};

struct frame_plan {
    struct pack_indexes *indexes;
    const struct stored_point *point;
    const struct stored_image *image;
    struct map_reader reader;
    struct map_run run;             /* what is left of it */
    const struct pack_index *index; /* of run.pack, or NULL */
    uint32_t index_pack;
    bool piece_due; /* a DECODE step was given, and its piece was not */
    struct frame_plan_step due;
    /* Which frame is in each slot: its pack's place and its first block there, which no other has. */
    uint64_t keys[FRAME_PLAN_SLOTS];
    struct kept_frame kept[FRAME_PLAN_SLOTS];
    uint32_t slot_count; /* those from here on were never used */
    struct frame_uses *uses;
    bool noting;
    size_t kept_count; /* so far */
    size_t bytes;
    uint64_t clock; /* of last_use */
};

struct frame_plan *frame_plan_new(struct pack_indexes *indexes, const struct stored_point *point,
                                  const struct stored_image *image, struct frame_uses *uses)
{
    struct frame_plan *plan = mem_alloc(sizeof(*plan));

    plan->indexes = indexes;
    plan->point = point;
    plan->image = image;
    plan->uses = uses;
    plan->noting = !uses->complete;
    stored_point_walk(point, image, &plan->reader);
    return plan;
}

static void release_index(struct frame_plan *plan)
{
    if (plan->index)
        pack_indexes_release(plan->indexes, plan->index_pack);
    plan->index = NULL;
}

void frame_plan_free(struct frame_plan *plan)
{
    if (!plan)
        return;
    release_index(plan);
    free(plan);
}

/* ---- what is noted ---------------------------------------------------------------------------- */

void frame_uses_clear(struct frame_uses *uses)
{
    free(uses->list);
    *uses = (struct frame_uses){0};
}

static uint64_t bits_of(uint32_t first, uint32_t count)
{
    return (count < 64 ? (UINT64_C(1) << count) - 1 : UINT64_MAX) << first;
}

/* NULL: nothing is noted of it. */
static struct frame_use *noted_use(const struct frame_plan *plan, uint32_t slot)
{
    if (slot == FRAME_PLAN_PASSING || plan->kept[slot].number >= plan->uses->count)
        return NULL;
    return &plan->uses->list[plan->kept[slot].number];
}

static void note_kept(struct frame_plan *plan)
{
    struct frame_uses *uses = plan->uses;

    if (!plan->noting || uses->count == FRAME_PLAN_NOTED)
        return;
    if (uses->count == uses->cap) {
        uses->cap = uses->cap ? uses->cap * 2 : 256;
        uses->list = mem_resize(uses->list, uses->cap, sizeof(*uses->list));
    }
    uses->list[uses->count++] = (struct frame_use){0};
}

/* Of the first piece of a frame. */
static void tell_use(const struct frame_plan *plan, struct frame_plan_step *step)
{
    const struct frame_use *use = plan->noting ? NULL : noted_use(plan, step->slot);

    step->kept = use ? use->later : bits_of(0, step->frame.block_count);
    step->wanted = step->kept | bits_of(step->first, step->count);
}

/* Of a later one. */
static void count_use(struct frame_plan *plan, struct frame_plan_step *step)
{
    struct frame_use *use = noted_use(plan, step->slot);

    if (use && plan->noting) {
        use->later |= bits_of(step->first, step->count);
        use->pieces++;
    } else if (use) {
        step->last = --plan->kept[step->slot].left == 0;
    }
}

/* ---- what is kept ----------------------------------------------------------------------------- */

static uint64_t key_of_frame(uint32_t pack, const struct pack_frame *frame)
{
    return (uint64_t)pack << 32 | frame->first_block;
}

/* FRAME_PLAN_PASSING: it is not there. */
static uint32_t find_kept(const struct frame_plan *plan, uint64_t key)
{
    for (uint32_t slot = 0; slot < plan->slot_count; slot++)
        if (plan->keys[slot] == key && plan->kept[slot].raw_len > 0)
            return slot;
    return FRAME_PLAN_PASSING;
}

static uint32_t drop_oldest(struct frame_plan *plan)
{
    uint32_t oldest = FRAME_PLAN_PASSING;

    for (uint32_t slot = 0; slot < plan->slot_count; slot++)
        if (plan->kept[slot].raw_len > 0 &&
            (oldest == FRAME_PLAN_PASSING ||
             plan->kept[slot].last_use < plan->kept[oldest].last_use))
            oldest = slot;
    plan->bytes -= plan->kept[oldest].raw_len;
    plan->kept[oldest].raw_len = 0;
    return oldest;
}

static uint32_t empty_slot(struct frame_plan *plan)
{
    for (uint32_t slot = 0; slot < plan->slot_count; slot++)
        if (plan->kept[slot].raw_len == 0)
            return slot;
    return plan->slot_count < FRAME_PLAN_SLOTS ? plan->slot_count++ : drop_oldest(plan);
}

static uint32_t keep_frame(struct frame_plan *plan, uint64_t key, uint32_t raw_len)
{
    while (plan->bytes + raw_len > FRAME_PLAN_KEPT)
        drop_oldest(plan);
    uint32_t slot = empty_slot(plan);
    plan->keys[slot] = key;
    plan->kept[slot] = (struct kept_frame){
        .last_use = ++plan->clock, .raw_len = raw_len, .number = plan->kept_count++};
    plan->bytes += raw_len;
    note_kept(plan);
    const struct frame_use *use = noted_use(plan, slot);
    plan->kept[slot].left = use ? use->pieces : 0;
    return slot;
}

/* ---- the walk --------------------------------------------------------------------------------- */

/* Makes sure that there is something left of a run: 1; 0 at the end of the map. */
static int more_of_run(struct frame_plan *plan, struct err *err)
{
    int more = plan->run.count > 0 ? 1 : map_reader_next(&plan->reader, &plan->run, err);

    if (more <= 0 || (plan->index && plan->index_pack == plan->run.pack))
        return more;
    release_index(plan);
    plan->index = pack_indexes_use(plan->indexes, plan->run.pack, err);
    plan->index_pack = plan->run.pack;
    return plan->index ? 1 : -1;
}

/* Only the last block of the image may be short, and of a frame only the last. */
static int check_block_lengths(const struct frame_plan *plan, const struct frame_plan_step *step,
                               struct err *err)
{
    uint32_t last = step->first + step->count - 1;
    uint32_t len =
        frame_plan_offset(&step->frame, last + 1) - frame_plan_offset(&step->frame, last);
    uint64_t start = (step->block + step->count - 1) * LIMITS_BLOCK;
    uint64_t left = plan->image->size - start;

    if (len == (left < LIMITS_BLOCK ? left : LIMITS_BLOCK))
        return 0;
    const struct pack_id id = stored_point_pack(plan->point, step->pack);
    char text[ID_TEXT_SIZE];
    return err_set(err, ERR_CORRUPT,
                   "block %" PRIu32 " of pack %s-%08" PRIx32 " has %" PRIu32
                   " bytes, which the image does not have at byte %" PRIu64,
                   step->frame.first_block + last, id_text(&id.session, text), id.number, len,
                   start);
}

/* The next blocks that are in one frame, which is taken off the run. */
static int take_piece(struct frame_plan *plan, struct frame_plan_step *ret, struct err *err)
{
    struct map_run *run = &plan->run;
    const struct pack_frame *frame = pack_index_frame_of(plan->index, run->first);
    uint32_t first = run->first - frame->first_block;
    uint32_t count = frame->block_count - first;

    if (count > run->count)
        count = (uint32_t)run->count;
    *ret = (struct frame_plan_step){
        .kind = FRAME_PLAN_PIECE,
        .pack = run->pack,
        .frame = *frame,
        .ids = plan->index->ids + frame->first_block,
        .block = run->block,
        .first = first,
        .count = count,
    };
    run->block += count;
    run->first += count;
    run->count -= count;
    return check_block_lengths(plan, ret, err);
}

int frame_plan_next(struct frame_plan *plan, struct frame_plan_step *ret, struct err *err)
{
    if (plan->piece_due) {
        *ret = plan->due;
        plan->piece_due = false;
        return 1;
    }
    int more = more_of_run(plan, err);
    if (more == 0 && plan->noting)
        plan->uses->complete = true;
    if (more <= 0)
        return more;
    if (take_piece(plan, ret, err) < 0)
        return -1;
    uint64_t key = key_of_frame(ret->pack, &ret->frame);
    ret->slot = find_kept(plan, key);
    if (ret->slot != FRAME_PLAN_PASSING) {
        plan->kept[ret->slot].last_use = ++plan->clock;
        count_use(plan, ret);
        return 1;
    }
    if (ret->count < ret->frame.block_count)
        ret->slot = keep_frame(plan, key, ret->frame.raw_len);
    tell_use(plan, ret);
    plan->due = *ret;
    plan->piece_due = true;
    ret->kind = FRAME_PLAN_DECODE;
    return 1;
}
