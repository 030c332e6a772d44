/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A repository: a store with a config, which is written when it is made and never changed. Below that
 * it is divided into scopes, which share nothing.
 *
 * Its config is the last thing that is made, so a repository that has one is whole; what an
 * interrupted repository_create has left is used by the next one.
 */
#pragma once

#include "base/parser.h"
#include "base/strings.h"
#include "repository/format/small_object.h"
#include "store/store.h"

#define REPOSITORY_SCOPE "default" /* of whoever names none */

struct repository {
    struct store *store; /* owned */
    struct id id;
    uint8_t id_salt[DIGEST_SIZE]; /* see repository/block_id.h */
    /* What keeps names from being created twice. CREATE_ONLY_NONE: nothing does, and who collects
     * must be alone. */
    enum small_create_only create_only;
    const struct parser *parser; /* borrowed; as in struct stored_scope */
    const char *lagging;         /* as store_lagging: who collects there may not see all there is */
};

/* Makes the folder, if it is missing, and a repository with this scope in it, which is open then.
 * Exists: it is one already, or there is something else in the folder. Unsupported: the store lacks
 * something that repositories need. */
int repository_create(const char *url, const char *scope, struct repository **ret, struct err *err);
/* The same in an open, empty store, whose ownership it takes, also if it fails. */
int repository_create_in(struct store *store, const char *scope, struct repository **ret,
                         struct err *err);

/* What is in it is parsed by this parser, which must outlive the repository; NULL: by this process.
 * Not found: the store has no config. Unsupported: it is encrypted, or of a newer format. */
int repository_open(const char *url, const struct parser *parser, struct repository **ret,
                    struct err *err);
/* The same with an open store, whose ownership it takes, also if it fails. */
int repository_open_in(struct store *store, const struct parser *parser, struct repository **ret,
                       struct err *err);

void repository_close(struct repository *repository); /* accepts NULL */
DEFINE_CLEANUP(struct repository *, repository_closep, repository_close)

/* Makes the folders of a scope. It may be there; then nothing is made that is missing in it. */
int repository_add_scope(const struct repository *repository, const char *scope, struct err *err);
/* Appends the scopes in which there are sessions or points, sorted. */
int repository_list_scopes(const struct repository *repository, struct strings *ret,
                           struct err *err);

/* Usage: the word cannot be a scope. Not found: the repository has no such scope; the error says which
 * it has. */
int repository_need_scope(const struct repository *repository, const char *scope, struct err *err);

/* Makes what the collector may give up when the store is full: some MiB in a folder. It may be
 * there. */
int repository_add_reserve(const struct repository *repository, struct err *err);
