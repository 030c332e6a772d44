/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/chunk_plan.h"

#include <assert.h>
#include <string.h>

static bool is_same(const struct planned_input *input, uint32_t block)
{
    return input->same >> block & 1;
}

/* A block is looked for first where it was in the base, so that what has not changed stays one run
 * even if other packs have some of it, too. */
static void look_up_blocks(const struct known *known, const struct planned_input *input,
                           struct chunk_plan *plan)
{
    for (uint32_t i = 0; i < input->count; i++) {
        struct planned_block *block = &plan->blocks[i];
        *block = (struct planned_block){.kind = PLANNED_ZERO, .at = input->expected[i]};
        if (is_same(input, i)) {
            if (block->at.pack != UINT32_MAX)
                block->kind = PLANNED_KNOWN;
            continue;
        }
        if (input->zeros[i])
            continue;
        bool found = known_is(known, &block->at, &input->ids[i]) ||
                     known_find(known, &input->ids[i], &block->at);
        block->kind = found ? PLANNED_KNOWN : PLANNED_NEW;
    }
}

static bool piece_goes_on(const struct known *known, const struct known_block *last,
                          const struct known_block *next)
{
    return (next->pack == last->pack && next->block == last->block) ||
           known_continues(known, last, next);
}

static bool is_in_place(const struct planned_input *input, const struct chunk_plan *plan,
                        uint32_t i)
{
    const struct known_block *at = &plan->blocks[i].at;

    return at->pack == input->expected[i].pack && at->block == input->expected[i].block;
}

/* Single known blocks that have come from elsewhere become new if there are too many pieces. */
static void cap_pieces(const struct known *known, const struct planned_input *input,
                       struct chunk_plan *plan)
{
    struct planned_block *singles[PLAN_BLOCKS];
    struct planned_block *last = NULL; /* known, of the piece that may go on */
    uint32_t single_count = 0;
    uint32_t pieces = 0;
    bool any_new = false;

    for (uint32_t i = 0; i < plan->count; i++) {
        struct planned_block *block = &plan->blocks[i];
        any_new = any_new || block->kind == PLANNED_NEW;
        if (block->kind == PLANNED_NEW)
            last = NULL;
        if (block->kind != PLANNED_KNOWN)
            continue;
        if (last && piece_goes_on(known, &last->at, &block->at)) {
            if (single_count > 0 && singles[single_count - 1] == last)
                single_count--;
        } else {
            singles[single_count++] = block;
            pieces++;
        }
        last = block;
    }
    if (pieces + any_new < PLAN_PIECES)
        return;
    for (uint32_t i = 0; i < single_count; i++)
        if (!is_in_place(input, plan, (uint32_t)(singles[i] - plan->blocks)))
            singles[i]->kind = PLANNED_NEW;
}

/* Each block once, even if the chunk has it several times. */
static void fill_frame(const struct planned_input *input, struct chunk_plan *plan)
{
    plan->frame_count = 0;
    for (uint32_t i = 0; i < plan->count; i++) {
        struct planned_block *block = &plan->blocks[i];
        uint32_t number = 0;
        if (block->kind != PLANNED_NEW)
            continue;
        while (number < plan->frame_count && id_compare(&plan->ids[number], &input->ids[i]) != 0)
            number++;
        block->number = number;
        if (number < plan->frame_count)
            continue;
        plan->frame[plan->frame_count] = i;
        plan->ids[plan->frame_count++] = input->ids[i];
    }
}

void chunk_plan_make(const struct known *known, const struct planned_input *input,
                     struct chunk_plan *ret)
{
    assert(input->count >= 1 && input->count <= PLAN_BLOCKS);
    ret->count = input->count;
    look_up_blocks(known, input, ret);
    cap_pieces(known, input, ret);
    fill_frame(input, ret);
}
