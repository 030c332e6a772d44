/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/job/plan.h"

#include <stdlib.h>

static void job_hooks_clear(struct job_hooks *hooks)
{
    strings_clear(&hooks->before);
    strings_clear(&hooks->after);
    strings_clear(&hooks->failed);
}

void job_plan_clear(struct job_plan *plan)
{
    for (size_t i = 0; i < plan->guest_count; i++) {
        struct job_guest *guest = &plan->guests[i];
        free(guest->name);
        free(guest->uuid);
        strings_clear(&guest->backup);
        strings_clear(&guest->prune);
        job_hooks_clear(&guest->hooks);
    }
    free(plan->guests);
    free(plan->name);
    free(plan->repository);
    free(plan->destination);
    free(plan->scope);
    free(plan->uri);
    strings_clear(&plan->verify);
    strings_clear(&plan->collect);
    job_hooks_clear(&plan->hooks);
    free(plan->metrics);
    *plan = (struct job_plan){0};
}
