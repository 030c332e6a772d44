/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Scopes of a repository, one after the other: what goes wrong in one stops that one alone.
 */
#pragma once

#include "ops/events/report.h"
#include "repository/repository.h"

struct scopes_each {
    int (*call)(void *opaque, const struct repository *repository, const char *scope,
                struct err *err);
    void *opaque;
};

/* Calls for this scope, whose error is then that of the whole run, or for all (NULL): their errors
 * are reported (EVENT_SCOPE_FAILED) and counted, but for usage errors and signals, which end the
 * run. */
struct scopes_request {
    const char *url;
    const struct parser *parser; /* as repository_open takes it */
    const char *scope;
    bool new_ok; /* this scope need not be there yet: then there are no calls */
    const struct report *report;
    struct outcome *outcome;
};
int scopes_run(const struct scopes_request *request, const struct scopes_each *each,
               struct err *err);
