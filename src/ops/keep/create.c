/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/keep/keep.h"
#include "repository/repository.h"

int keep_create(const struct create_options *options, const struct report *report, struct err *err)
{
    CLEANUP(repository_closep) struct repository *repository = NULL;
    const char *scope = options->scope ? options->scope : REPOSITORY_SCOPE;
    char id[ID_TEXT_SIZE];

    if (repository_create(options->repository, scope, &repository, err) < 0)
        return -1;
    report_event(report,
                 &(struct event){.kind = EVENT_REPOSITORY_MADE,
                                 .repository_made = {
                                     .url = options->repository,
                                     .id = id_text(&repository->id, id),
                                     .lagging = repository->lagging,
                                     .creates_once = repository->create_only != CREATE_ONLY_NONE,
                                 }});
    return 0;
}
