/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/points/scopes.h"

#include "base/quit.h"

static int scopes_failed(const struct scopes_request *request, const char *scope,
                         struct err *scope_err, struct err *err)
{
    err_prefix(scope_err, "scope '%s'", scope);
    if (request->scope || scope_err->kind == ERR_USAGE || scope_err->kind == ERR_CANCELLED)
        return err_move(err, scope_err);
    request->outcome->failed++;
    request->outcome->busy += scope_err->kind == ERR_BUSY;
    request->outcome->damaged |= scope_err->kind == ERR_CORRUPT;
    report_event(request->report,
                 &(struct event){.kind = EVENT_SCOPE_FAILED,
                                 .scope_failed = {scope, {scope_err->kind, scope_err->text}}});
    return 0;
}

int scopes_run(const struct scopes_request *request, const struct scopes_each *each,
               struct err *err)
{
    CLEANUP(repository_closep) struct repository *repository = NULL;
    CLEANUP_STRINGS struct strings scopes = {0};
    CLEANUP_ERR struct err missing = ERR_INIT;

    if (repository_open(request->url, request->parser, &repository, err) < 0)
        return -1;
    if (request->scope && repository_need_scope(repository, request->scope, &missing) < 0)
        return request->new_ok && missing.kind == ERR_NOT_FOUND ? 0 : err_move(err, &missing);
    if (request->scope)
        strings_add(&scopes, request->scope);
    else if (repository_list_scopes(repository, &scopes, err) < 0)
        return -1;
    for (size_t i = 0; i < scopes.count; i++) {
        CLEANUP_ERR struct err scope_err = ERR_INIT;
        if (quit_check(err) < 0)
            return -1;
        if (each->call(each->opaque, repository, scopes.items[i], &scope_err) < 0 &&
            scopes_failed(request, scopes.items[i], &scope_err, err) < 0)
            return -1;
    }
    return 0;
}
