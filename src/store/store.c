/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/store.h"

#include <inttypes.h>
#include <string.h>

#include "base/random.h"
#include "base/text.h"
#include "store/folder.h"
#include "store/store_impl.h"

#define MAX_NAME 512
#define PROBE_RANDOM 8 /* bytes of the probe's name */

static int check_url(const char *url, struct err *err)
{
    if (strstr(url, "://"))
        return err_set(err, ERR_UNSUPPORTED, "%s: not a folder, the only kind of repository so far",
                       url);
    return 0;
}

int store_open(const char *url, struct store **ret, struct err *err)
{
    if (check_url(url, err) < 0)
        return -1;
    if (store_folder_open(url, ret, err) < 0)
        return err_prefix(err, "%s", url);
    (*ret)->url = mem_strdup(url);
    return 0;
}

int store_make(const char *url, const struct strings *own, struct store **ret, struct err *err)
{
    if (check_url(url, err) < 0)
        return -1;
    if (store_folder_make(url, own, err) < 0)
        return err_prefix(err, "%s", url);
    return store_open(url, ret, err);
}

void store_close(struct store *store)
{
    if (!store)
        return;
    free(store->url);
    store->ops->close(store);
}

const char *store_url(const struct store *store)
{
    return store->url;
}

static bool is_name_part(const char *part, size_t len)
{
    if (len == 0 || part[0] == '.')
        return false;
    for (size_t i = 0; i < len; i++)
        if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-", part[i]))
            return false;
    return true;
}

/* Names are made by us, or come out of a listing that skips all others. */
static int check_object_name(const char *name, struct err *err)
{
    const char *part = name;

    if (strlen(name) > MAX_NAME)
        return err_set(err, ERR_INTERNAL, "an object's name has more than %d bytes", MAX_NAME);
    for (;;) {
        size_t len = strcspn(part, "/");
        if (!is_name_part(part, len))
            return err_set(err, ERR_INTERNAL, "'%s' cannot be the name of an object", name);
        if (part[len] == '\0')
            return 0;
        part += len + 1;
    }
}

static int with_name(const struct store *store, const char *name, struct err *err)
{
    return err_prefix(err, "%s/%s", store->url, name);
}

int store_create(struct store *store, const struct store_object *object, enum store_outcome *ret,
                 struct err *err)
{
    if (check_object_name(object->name, err) < 0 ||
        (object->session && check_object_name(object->session, err) < 0))
        return -1;
    if (store->ops->create(store, object, ret, err) < 0)
        return with_name(store, object->name, err);
    return 0;
}

int store_replace(struct store *store, const struct store_object *object, struct err *err)
{
    if (check_object_name(object->name, err) < 0 ||
        (object->session && check_object_name(object->session, err) < 0))
        return -1;
    if (store->ops->replace(store, object, err) < 0)
        return with_name(store, object->name, err);
    return 0;
}

int store_get(struct store *store, const struct store_range *range, size_t *ret_len,
              struct err *err)
{
    if (check_object_name(range->name, err) < 0)
        return -1;
    if (store->ops->get(store, range, ret_len, err) < 0)
        return with_name(store, range->name, err);
    return 0;
}

bool store_get_at_hand(struct store *store, const struct store_range *range)
{
    return store->ops->get_at_hand && check_object_name(range->name, NULL) == 0 &&
           store->ops->get_at_hand(store, range);
}

int store_read(struct store *store, const char *name, size_t max, struct buf *ret, struct err *err)
{
    struct store_range range = {.name = name, .data = buf_reserve(ret, max + 1), .cap = max + 1};
    size_t len = 0;

    if (store_get(store, &range, &len, err) < 0)
        return -1;
    if (len > max) {
        err_set(err, ERR_CORRUPT, "larger than %zu bytes", max);
        return with_name(store, name, err);
    }
    ret->len += len;
    return 0;
}

int store_list(struct store *store, const char *prefix, const struct store_each *each,
               struct err *err)
{
    size_t len = strlen(prefix);
    CLEANUP_FREE char *folder = mem_strndup(prefix, len > 0 ? len - 1 : 0);

    if (len == 0 || prefix[len - 1] != '/')
        return err_set(err, ERR_INTERNAL, "'%s' cannot be listed", prefix);
    return check_object_name(folder, err) < 0 ? -1 : store->ops->list(store, prefix, each, err);
}

int store_delete(struct store *store, const struct strings *names, struct err *err)
{
    for (size_t i = 0; i < names->count; i++) {
        if (check_object_name(names->items[i], err) < 0)
            return -1;
        if (store->ops->delete(store, names->items[i], err) < 0)
            return with_name(store, names->items[i], err);
    }
    return 0;
}

int store_settle(struct store *store, const struct strings *folders, struct err *err)
{
    for (size_t i = 0; i < folders->count; i++) {
        if (check_object_name(folders->items[i], err) < 0)
            return -1;
        if (store->ops->settle(store, folders->items[i], err) < 0)
            return with_name(store, folders->items[i], err);
    }
    return 0;
}

int store_add_folders(struct store *store, const struct strings *folders, struct err *err)
{
    for (size_t i = 0; i < folders->count; i++) {
        if (check_object_name(folders->items[i], err) < 0)
            return -1;
        if (store->ops->add_folder(store, folders->items[i], err) < 0)
            return with_name(store, folders->items[i], err);
    }
    return 0;
}

int store_now(struct store *store, int64_t *ret_ms, struct err *err)
{
    if (store->ops->now(store, ret_ms, err) < 0)
        return err_prefix(err, "%s: cannot learn the time by its clock", store->url);
    return 0;
}

const char *store_lagging(struct store *store)
{
    return store->ops->lagging(store);
}

/* ---- the probe ----------------------------------------------------------------------------- */

struct probe {
    const char *name;
    bool seen;
};

static int probe_look(void *opaque, const struct store_entry *entry, struct err *err)
{
    struct probe *probe = opaque;

    (void)err;
    if (strcmp(entry->name, probe->name) == 0)
        probe->seen = true;
    return 0;
}

static int probe_with(struct store *store, struct probe *probe, struct store_abilities *ret,
                      struct err *err)
{
    static const char first[] = "first", second[] = "second";
    char found[sizeof(first) + sizeof(second)];
    enum store_outcome outcome = STORE_EXISTS;
    struct store_object object = {.name = probe->name, .data = first, .len = sizeof(first)};
    struct store_range range = {.name = probe->name, .data = found, .cap = sizeof(found)};
    struct store_each each = {.call = probe_look, .opaque = probe};
    size_t len = 0;

    if (store_create(store, &object, &outcome, err) < 0)
        return -1;
    if (outcome != STORE_MADE)
        return err_set(err, ERR_UNSUPPORTED, "a new object is said to have been there before");
    object.data = second;
    object.len = sizeof(second);
    if (store_create(store, &object, &outcome, err) < 0 ||
        store_get(store, &range, &len, err) < 0 || store_list(store, "tmp/", &each, err) < 0)
        return -1;
    ret->creates_once =
        outcome == STORE_EXISTS && len == sizeof(first) && memcmp(found, first, sizeof(first)) == 0;
    if (!probe->seen)
        return err_set(err, ERR_UNSUPPORTED, "an object that was made is not listed");
    return 0;
}

int store_probe(struct store *store, struct store_abilities *ret, struct err *err)
{
    char random[2 * PROBE_RANDOM + 1];
    CLEANUP_STRINGS struct strings names = {0};

    *ret = (struct store_abilities){0};
    if (random_hex(PROBE_RANDOM, random, err) < 0)
        return -1;
    strings_take(&names, mem_printf("tmp/%s", random));
    struct probe probe = {.name = names.items[0]};
    int rc = probe_with(store, &probe, ret, err);
    if (store_delete(store, &names, rc < 0 ? NULL : err) < 0)
        rc = -1;
    return rc;
}
