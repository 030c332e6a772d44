/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/undo/intent.h"

#include <string.h>

#include "guest/checkpoint.h"
#include "ops/undo/intent_private.h"

#define INTENT_VERSION 5

static const char *const kind_names[] = {
    [INTENT_BACKUP] = "backup",
    [INTENT_RESTORE] = "restore",
};

static struct json *json_of_list(const struct strings *list, const char *member)
{
    struct json *array = json_new_array();

    for (size_t i = 0; i < list->count; i++) {
        struct json *entry = json_new_object();
        json_set_bytes(entry, member, list->items[i]);
        json_add(array, entry);
    }
    return array;
}

static void list_read(const struct json *array, const char *member, struct strings *list,
                      bool *ret_bad)
{
    for (size_t i = 0; i < json_length(array); i++) {
        CLEANUP_FREE char *text = json_get_bytes(json_at(array, i), member, ret_bad);
        if (text)
            strings_add(list, text);
        else
            *ret_bad = true;
    }
}

static void id_set(struct json *object, const char *name, const struct file_id *id)
{
    struct json *json = json_new_object();

    json_set_u64(json, "device", id->device);
    json_set_u64(json, "inode", id->inode);
    json_set_u64(json, "born", id->born);
    json_set(object, name, json);
}

/* A missing member stays 0: not known. */
static void id_get(const struct json *object, const char *name, struct file_id *ret)
{
    const struct json *json = json_get(object, name);

    if (!json)
        return;
    (void)json_get_u64(json, "device", &ret->device);
    (void)json_get_u64(json, "inode", &ret->inode);
    (void)json_get_u64(json, "born", &ret->born);
}

static struct json *json_of_files(const struct intent_files *list)
{
    struct json *array = json_new_array();

    for (size_t i = 0; i < list->count; i++) {
        const struct intent_file *file = &list->files[i];
        struct json *entry = json_new_object();
        json_set_bytes(entry, "path", file->path);
        id_set(entry, "id", &file->id);
        json_set_bool(entry, "private", file->is_private);
        id_set(entry, "parent", &file->parent);
        json_add(array, entry);
    }
    return array;
}

static void file_list_read(const struct json *array, struct intent_files *list, bool *ret_bad)
{
    for (size_t i = 0; i < json_length(array); i++) {
        const struct json *entry = json_at(array, i);
        CLEANUP_FREE char *path = json_get_bytes(entry, "path", ret_bad);
        if (!path) {
            *ret_bad = true;
            continue;
        }
        struct intent_file *file = intent_list_add_file(list, path);
        file->is_private = json_get_bool(entry, "private");
        id_get(entry, "id", &file->id);
        id_get(entry, "parent", &file->parent);
    }
}

static struct json *json_of_formers(const struct intent_formers *list)
{
    struct json *array = json_new_array();

    for (size_t i = 0; i < list->count; i++) {
        struct json *entry = json_new_object();
        json_set_bytes(entry, "path", list->formers[i].path);
        json_set_bytes(entry, "from", list->formers[i].from);
        id_set(entry, "id", &list->formers[i].id);
        json_add(array, entry);
    }
    return array;
}

static void former_list_read(const struct json *array, struct intent_formers *list, bool *ret_bad)
{
    for (size_t i = 0; i < json_length(array); i++) {
        const struct json *entry = json_at(array, i);
        CLEANUP_FREE char *path = json_get_bytes(entry, "path", ret_bad);
        CLEANUP_FREE char *from = json_get_bytes(entry, "from", ret_bad);
        if (path)
            id_get(entry, "id", &intent_list_add_former(list, path, from)->id);
        else
            *ret_bad = true;
    }
}

static struct json *json_of_disks(const struct intent_disks *list)
{
    struct json *array = json_new_array();

    for (size_t i = 0; i < list->count; i++) {
        struct json *entry = json_new_object();
        json_set_bytes(entry, "path", list->disks[i].path);
        json_set_u64(entry, "size", list->disks[i].size);
        json_set_u64(entry, "modified", list->disks[i].modified);
        json_add(array, entry);
    }
    return array;
}

static void disk_list_read(const struct json *array, struct intent_disks *list, bool *ret_bad)
{
    for (size_t i = 0; i < json_length(array); i++) {
        const struct json *entry = json_at(array, i);
        CLEANUP_FREE char *path = json_get_bytes(entry, "path", ret_bad);
        struct intent_disk *disk = path ? intent_list_add_disk(list, path) : NULL;
        if (!disk || !json_get_u64(entry, "size", &disk->size) ||
            !json_get_u64(entry, "modified", &disk->modified))
            *ret_bad = true;
    }
}

static void field_write(struct json *json, const struct intent_field *field,
                        const struct intent *intent)
{
    const void *value = intent_field_of(intent, field);

    switch (field->type) {
    case FIELD_FLAG:
        json_set_bool(json, field->name, *(const bool *)value);
        break;
    case FIELD_NUMBER:
        json_set_u64(json, field->name, *(const uint64_t *)value);
        break;
    case FIELD_TEXT:
        json_set_bytes(json, field->name, *(char *const *)value);
        break;
    case FIELD_LIST:
        json_set(json, field->name, json_of_list(value, "path"));
        break;
    case FIELD_XMLS:
        json_set(json, field->name, json_of_list(value, "xml"));
        break;
    case FIELD_NAMES:
        json_set(json, field->name, json_of_list(value, "name"));
        break;
    case FIELD_FILES:
        json_set(json, field->name, json_of_files(value));
        break;
    case FIELD_FORMERS:
        json_set(json, field->name, json_of_formers(value));
        break;
    case FIELD_DISKS:
        json_set(json, field->name, json_of_disks(value));
        break;
    }
}

static int field_read(const struct json *json, const struct intent_field *field,
                      struct intent *intent, struct err *err)
{
    void *value = intent_field_of(intent, field);
    bool bad = false;

    switch (field->type) {
    case FIELD_FLAG:
        *(bool *)value = json_get_bool(json, field->name);
        break;
    case FIELD_NUMBER:
        if (!json_get_u64(json, field->name, value))
            bad = true;
        break;
    case FIELD_TEXT:
        *(char **)value = json_get_bytes(json, field->name, &bad);
        break;
    case FIELD_LIST:
        list_read(json_get(json, field->name), "path", value, &bad);
        break;
    case FIELD_XMLS:
        list_read(json_get(json, field->name), "xml", value, &bad);
        break;
    case FIELD_NAMES:
        list_read(json_get(json, field->name), "name", value, &bad);
        break;
    case FIELD_FILES:
        file_list_read(json_get(json, field->name), value, &bad);
        break;
    case FIELD_FORMERS:
        former_list_read(json_get(json, field->name), value, &bad);
        break;
    case FIELD_DISKS:
        disk_list_read(json_get(json, field->name), value, &bad);
        break;
    }
    if (bad)
        return err_set(err, ERR_CORRUPT, "is damaged: its '%s'", field->name);
    return 0;
}

char *intent_format(const struct intent *intent)
{
    CLEANUP(json_freep) struct json *json = json_new_object();

    json_set_u64(json, "version", INTENT_VERSION);
    json_set_str(json, "kind", kind_names[intent->kind]);
    for (size_t i = 0; i < intent_field_count; i++)
        field_write(json, &intent_fields[i], intent);
    json_set(json, "places", intent_json_of_places(intent));
    return json_format(json);
}

/* In version 1 a restore is recognised by what only a restore notes. */
static int read_kind(const struct json *json, uint64_t version, struct intent *intent)
{
    const char *name = json_get_str(json, "kind");

    if (version == 1) {
        bool restore =
            intent->file_count || intent->defined || intent->former_count || intent->resumed;
        intent->kind = restore ? INTENT_RESTORE : INTENT_BACKUP;
        return 0;
    }
    for (size_t i = 0; name && i < sizeof(kind_names) / sizeof(*kind_names); i++)
        if (strcmp(name, kind_names[i]) == 0) {
            intent->kind = (enum intent_kind)i;
            return 0;
        }
    return -1;
}

/* The replaced file of a journal of version 1 or 2. */
static int read_former_of_old(const struct json *json, struct intent *intent)
{
    bool bad = false;
    CLEANUP_FREE char *moved = json_get_bytes(json, "moved", &bad);
    CLEANUP_FREE char *from = json_get_bytes(json, "moved-from", &bad);
    CLEANUP_FREE char *outdated = json_get_bytes(json, "outdated", &bad);

    if (bad || !moved != !from || (moved && outdated))
        return -1;
    intent->outdated = outdated != NULL;
    if (moved || outdated)
        (void)intent_list_add_former((struct intent_formers *)&intent->formers,
                                     moved ? moved : outdated, from);
    return 0;
}

static bool formers_have_places(const struct intent *intent)
{
    for (size_t i = 0; i < intent->former_count; i++)
        if (intent->formers[i].from ? *intent->formers[i].from != '/' : !intent->outdated)
            return false;
    return true;
}

/* What undoing deletes is certainly ours. */
static bool checkpoint_is_ours(const struct intent *intent)
{
    return !intent->checkpoint || (intent->uri && intent->recorded.count > 0 &&
                                   guest_checkpoint_is_ours(intent->checkpoint, NULL));
}

static int read_fields(const struct json *json, struct intent *ret, struct err *err)
{
    uint64_t version = 0;

    if (!json_get_u64(json, "version", &version) || version < 1)
        return err_set(err, ERR_CORRUPT, "is damaged: its 'version'");
    if (version > INTENT_VERSION)
        return err_set(err, ERR_UNSUPPORTED,
                       "a newer version of virt-backup has written it; install that one, and run: "
                       "virt-backup recover");
    for (size_t i = 0; i < intent_field_count; i++)
        if (field_read(json, &intent_fields[i], ret, err) < 0)
            return -1;
    bool guest = ret->socket || ret->frozen || ret->held || ret->saved || ret->defined;
    if ((version < 3 && read_former_of_old(json, ret) < 0) || read_kind(json, version, ret) < 0 ||
        intent_read_places(json_get(json, "places"), ret) < 0 || (guest && !ret->uri) ||
        !ret->uuid || !*ret->uuid || !ret->name ||
        (ret->saved && (!ret->memory || !ret->live_xml)) || !formers_have_places(ret) ||
        !checkpoint_is_ours(ret))
        return err_set(err, ERR_CORRUPT, "is damaged");
    return 0;
}

int intent_parse(const char *text, size_t len, struct intent *ret, struct err *err)
{
    CLEANUP_INTENT struct intent intent = {0};
    CLEANUP(json_freep) struct json *json = json_parse(text, len, err);

    if (!json || read_fields(json, &intent, err) < 0)
        return -1;
    *ret = intent;
    intent = (struct intent){0};
    return 0;
}
