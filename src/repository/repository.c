/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/repository.h"

#include <errno.h>
#include <string.h>

#include "base/array.h"
#include "base/random.h"
#include "repository/format/name.h"

#define RESERVE_SIZE ((size_t)16 << 20)

/* The last one tells that a scope has all of them. */
static const char *const scope_folders[] = {"tmp", "s", "p", "t", "h", "d", "v", "x", "c"};

static char *lone_name(enum name_kind kind)
{
    return name_format(&(struct name){.kind = kind});
}

/* ---- opening --------------------------------------------------------------------------------- */

void repository_close(struct repository *repository)
{
    if (!repository)
        return;
    store_close(repository->store);
    free(repository);
}

static void take_config(struct repository *repository, const struct small_object *config)
{
    repository->id = config->id;
    memcpy(repository->id_salt, config->id_salt, sizeof(repository->id_salt));
    repository->create_only = (enum small_create_only)config->create_only;
    repository->lagging = store_lagging(repository->store);
}

int repository_open_in(struct store *store, const struct parser *parser, struct repository **ret,
                       struct err *err)
{
    CLEANUP(repository_closep) struct repository *repository = mem_alloc(sizeof(*repository));
    CLEANUP_FREE char *name = lone_name(NAME_CONFIG);
    CLEANUP_BUF struct buf bytes = {0};
    CLEANUP_SMALL_OBJECT struct small_object config = {0};
    CLEANUP_ERR struct err failure = ERR_INIT;

    repository->store = store;
    repository->parser = parser;
    if (store_read(store, name, LIMITS_CONFIG, &bytes, &failure) < 0) {
        if (failure.kind != ERR_NOT_FOUND)
            return err_move(err, &failure);
        return err_set(err, ERR_NOT_FOUND,
                       "%s: not a repository, it has no '%s'; to make one there, run: virt-backup "
                       "repository create",
                       store_url(store), name);
    }
    if (small_object_read(parser, SMALL_CONFIG, &bytes, &config, err) < 0)
        return err_prefix(err, "%s/%s", store_url(store), name);
    take_config(repository, &config);
    *ret = TAKE_PTR(repository);
    return 0;
}

int repository_open(const char *url, const struct parser *parser, struct repository **ret,
                    struct err *err)
{
    struct store *store = NULL;

    return store_open(url, &store, err) < 0 ? -1 : repository_open_in(store, parser, ret, err);
}

/* ---- making ---------------------------------------------------------------------------------- */

static int add_first_folders(struct store *store, struct err *err)
{
    CLEANUP_STRINGS struct strings folders = {0};

    for (size_t i = 0; i < ARRAY_COUNT(scope_folders); i++)
        strings_add(&folders, scope_folders[i]);
    return store_add_folders(store, &folders, err);
}

static int create_config(struct repository *repository, struct err *err)
{
    CLEANUP_FREE char *name = lone_name(NAME_CONFIG);
    CLEANUP_BUF struct buf bytes = {0};
    struct small_object config = {.kind = SMALL_CONFIG};
    struct store_abilities abilities = {0};
    enum store_outcome outcome = STORE_EXISTS;

    if (store_probe(repository->store, &abilities, err) < 0)
        return err_prefix(err, "%s: cannot be a repository", store_url(repository->store));
    config.create_only = abilities.creates_once ? CREATE_ONLY_CONDITION : CREATE_ONLY_NONE;
    if (id_random(&config.id, err) < 0 ||
        random_bytes(config.id_salt, sizeof(config.id_salt), err) < 0 ||
        store_now(repository->store, &config.when_ms, err) < 0 ||
        small_object_format(&config, &bytes, err) < 0)
        return -1;
    struct store_object object = {.name = name, .data = bytes.data, .len = bytes.len};
    if (store_create(repository->store, &object, &outcome, err) < 0)
        return -1;
    if (outcome == STORE_EXISTS)
        return err_set(err, ERR_EXISTS, "%s: somebody else has made a repository there just now",
                       store_url(repository->store));
    take_config(repository, &config);
    return 0;
}

int repository_create_in(struct store *store, const char *scope, struct repository **ret,
                         struct err *err)
{
    CLEANUP(repository_closep) struct repository *repository = mem_alloc(sizeof(*repository));

    repository->store = store;
    if (add_first_folders(store, err) < 0 || repository_add_scope(repository, scope, err) < 0 ||
        repository_add_reserve(repository, err) < 0 || create_config(repository, err) < 0)
        return -1;
    *ret = TAKE_PTR(repository);
    return 0;
}

/* True if there is a config, whatever is in it. */
static int has_config(struct store *store, bool *ret, struct err *err)
{
    CLEANUP_FREE char *name = lone_name(NAME_CONFIG);
    CLEANUP_ERR struct err failure = ERR_INIT;
    uint8_t byte = 0;
    struct store_range range = {.name = name, .data = &byte, .cap = 1};
    size_t len = 0;

    *ret = store_get(store, &range, &len, &failure) == 0;
    return *ret || failure.kind == ERR_NOT_FOUND ? 0 : err_move(err, &failure);
}

int repository_create(const char *url, const char *scope, struct repository **ret, struct err *err)
{
    CLEANUP_STRINGS struct strings own = {0};
    CLEANUP(store_closep) struct store *store = NULL;
    bool there = false;

    for (size_t i = 0; i < ARRAY_COUNT(scope_folders); i++)
        strings_add(&own, scope_folders[i]);
    strings_take(&own, lone_name(NAME_CONFIG));
    strings_take(&own, lone_name(NAME_RESERVE));
    if (store_make(url, &own, &store, err) < 0 || has_config(store, &there, err) < 0)
        return -1;
    if (there)
        return err_set(err, ERR_EXISTS, "%s: is already a repository", url);
    return repository_create_in(TAKE_PTR(store), scope, ret, err);
}

int repository_add_reserve(const struct repository *repository, struct err *err)
{
    CLEANUP_FREE char *name = lone_name(NAME_RESERVE);
    CLEANUP_FREE void *data = malloc(RESERVE_SIZE);
    struct store_object object = {.name = name, .data = data, .len = RESERVE_SIZE};
    enum store_outcome outcome = STORE_MADE;

    if (!data)
        return err_set_errno(err, ENOMEM, "cannot get memory for the reserve");
    /* It takes its room on file systems that compress, too. */
    if (random_noise(data, RESERVE_SIZE, err) < 0)
        return -1;
    return store_create(repository->store, &object, &outcome, err);
}

/* ---- scopes ---------------------------------------------------------------------------------- */

static int pass_over(void *opaque, const struct store_entry *entry, struct err *err)
{
    (void)opaque;
    (void)entry;
    (void)err;
    return 0;
}

/* The last one that is made. */
static int list_last_folder(const struct repository *repository, const char *scope, struct err *err)
{
    CLEANUP_FREE char *last =
        mem_printf("%s/%s/", scope_folders[ARRAY_COUNT(scope_folders) - 1], scope);

    return store_list(repository->store, last, &(struct store_each){.call = pass_over}, err);
}

static int has_scope(const struct repository *repository, const char *scope, bool *ret,
                     struct err *err)
{
    CLEANUP_ERR struct err failure = ERR_INIT;

    if (!name_is_scope(scope))
        return err_set(err, ERR_USAGE,
                       "'%s' cannot be the name of a scope: up to %u of a-z, 0-9 and '-' can",
                       scope, LIMITS_SCOPE);
    *ret = list_last_folder(repository, scope, &failure) == 0;
    return *ret || failure.kind == ERR_NOT_FOUND ? 0 : err_move(err, &failure);
}

int repository_add_scope(const struct repository *repository, const char *scope, struct err *err)
{
    CLEANUP_STRINGS struct strings folders = {0};
    bool there = false;

    if (has_scope(repository, scope, &there, err) < 0)
        return -1;
    if (there)
        return 0;
    for (size_t i = 0; i < ARRAY_COUNT(scope_folders); i++)
        strings_take(&folders, mem_printf("%s/%s", scope_folders[i], scope));
    return store_add_folders(repository->store, &folders, err);
}

static int note_scope(void *opaque, const struct store_entry *entry, struct err *err)
{
    struct strings *scopes = opaque;
    struct name name;

    (void)err;
    if (name_parse(entry->name, &name) && !strings_has(scopes, name.scope))
        strings_add(scopes, name.scope);
    return 0;
}

int repository_list_scopes(const struct repository *repository, struct strings *ret,
                           struct err *err)
{
    struct store_each each = {.call = note_scope, .opaque = ret};

    if (store_list(repository->store, "s/", &each, err) < 0 ||
        store_list(repository->store, "p/", &each, err) < 0)
        return -1;
    strings_sort(ret);
    return 0;
}

int repository_need_scope(const struct repository *repository, const char *scope, struct err *err)
{
    CLEANUP_STRINGS struct strings scopes = {0};
    CLEANUP_BUF struct buf list = {0};
    bool there = false;

    if (has_scope(repository, scope, &there, err) < 0)
        return -1;
    if (there)
        return 0;
    if (repository_list_scopes(repository, &scopes, err) < 0)
        return -1;
    if (strings_has(&scopes, scope)) /* one of its folders is missing: which? */
        return list_last_folder(repository, scope, err) < 0
                   ? err_prefix(err, "%s", store_url(repository->store))
                   : 0;
    for (size_t i = 0; i < scopes.count; i++)
        buf_printf(&list, "%s%s", i ? ", " : "", scopes.items[i]);
    return err_set(err, ERR_NOT_FOUND, "%s has no scope '%s'; it has: %.*s",
                   store_url(repository->store), scope, scopes.count ? (int)list.len : 4,
                   scopes.count ? (const char *)list.data : "none");
}
