/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/undo/intent.h"

#include <string.h>

#include "guest/checkpoint.h"
#include "ops/undo/intent_private.h"

#define INTENT_VERSION 5

/* ---- its fields ---------------------------------------------------------------------- */

enum field_type {
    FIELD_FLAG,    /* bool */
    FIELD_NUMBER,  /* uint64_t; a journal without it is incomplete */
    FIELD_TEXT,    /* char *, which may be NULL */
    FIELD_LIST,    /* char **, directly followed by its count, a size_t: paths */
    FIELD_XMLS,    /* struct strings: XML */
    FIELD_NAMES,   /* struct strings: names */
    FIELD_FILES,   /* struct intent_file *, directly followed by its count, a size_t */
    FIELD_FORMERS, /* struct intent_former *, the same */
};

struct field {
    const char *name;
    enum field_type type;
    size_t offset;
    bool counts; /* an important file: it is believed missing only from the right folder */
};

static const struct field fields[] = {
    {"taken-over", FIELD_FLAG, offsetof(struct intent, taken_over)}, /* see intent_take_over */
    {"pid", FIELD_NUMBER, offsetof(struct intent, pid)},
    {"pid-started", FIELD_NUMBER, offsetof(struct intent, pid_started)},
    {"since", FIELD_TEXT, offsetof(struct intent, since)},
    {"uri", FIELD_TEXT, offsetof(struct intent, uri)},
    {"uuid", FIELD_TEXT, offsetof(struct intent, uuid)},
    {"name", FIELD_TEXT, offsetof(struct intent, name)},
    {"trouble", FIELD_TEXT, offsetof(struct intent, trouble)},
    {"persistent", FIELD_FLAG, offsetof(struct intent, persistent)},
    {"was-running", FIELD_FLAG, offsetof(struct intent, was_running)},
    {"socket", FIELD_TEXT, offsetof(struct intent, socket)},
    {"scratch", FIELD_LIST, offsetof(struct intent, scratch)},
    {"frozen", FIELD_FLAG, offsetof(struct intent, frozen)},
    {"held", FIELD_FLAG, offsetof(struct intent, held)},
    {"saved", FIELD_FLAG, offsetof(struct intent, saved)},
    {"started", FIELD_FLAG, offsetof(struct intent, started)},
    {"memory", FIELD_TEXT, offsetof(struct intent, memory), true},
    {"live-xml", FIELD_TEXT, offsetof(struct intent, live_xml)},
    {"archive", FIELD_TEXT, offsetof(struct intent, archive)},
    {"checkpoint", FIELD_TEXT, offsetof(struct intent, checkpoint)},
    {"checkpoint-disks", FIELD_NAMES, offsetof(struct intent, recorded)},
    {"checkpoint-images", FIELD_LIST, offsetof(struct intent, checkpoint_images), true},
    {"committing", FIELD_FLAG, offsetof(struct intent, committing)},
    {"files", FIELD_FILES, offsetof(struct intent, files), true},
    {"defined", FIELD_TEXT, offsetof(struct intent, defined)},
    {"old-xml", FIELD_TEXT, offsetof(struct intent, old_xml)},
    {"old-autostart", FIELD_FLAG, offsetof(struct intent, old_autostart)},
    {"old-snapshots", FIELD_XMLS, offsetof(struct intent, old_points.snapshots)},
    {"old-checkpoints", FIELD_XMLS, offsetof(struct intent, old_points.checkpoints)},
    {"old-current", FIELD_TEXT, offsetof(struct intent, old_points.current)},
    {"in-place", FIELD_FLAG, offsetof(struct intent, in_place)},
    {"formers", FIELD_FORMERS, offsetof(struct intent, formers), true},
    {"formers-outdated", FIELD_FLAG, offsetof(struct intent, outdated)},
    {"resumed", FIELD_TEXT, offsetof(struct intent, resumed), true},
};
#define FIELD_COUNT (sizeof(fields) / sizeof(*fields))

static const char *const kind_names[] = {
    [INTENT_BACKUP] = "backup",
    [INTENT_RESTORE] = "restore",
};

struct file_list {
    struct intent_file *files;
    size_t count;
};
struct former_list {
    struct intent_former *formers;
    size_t count;
};
_Static_assert(offsetof(struct intent, scratch_count) ==
                       offsetof(struct intent, scratch) + offsetof(struct strings, count) &&
                   offsetof(struct intent, file_count) ==
                       offsetof(struct intent, files) + offsetof(struct file_list, count) &&
                   offsetof(struct intent, former_count) ==
                       offsetof(struct intent, formers) + offsetof(struct former_list, count),
               "the count of a list follows it");

static void *field_of(const struct intent *intent, const struct field *field)
{
    return (uint8_t *)(uintptr_t)intent + field->offset;
}

static struct intent_file *file_list_add(struct file_list *list, const char *path)
{
    list->files = mem_resize(list->files, list->count + 1, sizeof(*list->files));
    list->files[list->count] = (struct intent_file){.path = mem_strdup(path)};
    return &list->files[list->count++];
}

static void file_list_clear(struct file_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->files[i].path);
    free(list->files);
}

static struct intent_former *former_list_add(struct former_list *list, const char *path,
                                             const char *from)
{
    list->formers = mem_resize(list->formers, list->count + 1, sizeof(*list->formers));
    list->formers[list->count] =
        (struct intent_former){.path = mem_strdup(path), .from = mem_strdup(from)};
    return &list->formers[list->count++];
}

static void former_list_clear(struct former_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->formers[i].path);
        free(list->formers[i].from);
    }
    free(list->formers);
}

void intent_clear(struct intent *intent)
{
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (fields[i].type == FIELD_TEXT)
            free(*(char **)field_of(intent, &fields[i]));
        else if (fields[i].type == FIELD_LIST || fields[i].type == FIELD_XMLS ||
                 fields[i].type == FIELD_NAMES)
            strings_clear(field_of(intent, &fields[i]));
        else if (fields[i].type == FIELD_FILES)
            file_list_clear(field_of(intent, &fields[i]));
        else if (fields[i].type == FIELD_FORMERS)
            former_list_clear(field_of(intent, &fields[i]));
    for (size_t i = 0; i < intent->place_count; i++)
        place_clear(&intent->places[i]);
    free(intent->places);
    *intent = (struct intent){0};
}

void intent_set_trouble(struct intent *intent, const char *text)
{
    free(intent->trouble);
    intent->trouble = mem_strdup(text);
}

void intent_add_scratch(struct intent *intent, const char *path)
{
    strings_add((struct strings *)&intent->scratch, path);
}

void intent_add_file(struct intent *intent, const char *path, const struct file_id *id)
{
    struct intent_file *file = file_list_add((struct file_list *)&intent->files, path);

    if (id)
        file->id = *id;
}

void intent_add_private_folder(struct intent *intent, const char *path,
                               const struct file_id *parent)
{
    struct intent_file *file = file_list_add((struct file_list *)&intent->files, path);

    file->is_private = true;
    file->parent = *parent;
}

void intent_add_former(struct intent *intent, const char *path, const char *from,
                       const struct file_id *id)
{
    former_list_add((struct former_list *)&intent->formers, path, from)->id = *id;
}

void intent_forget_checkpoint(struct intent *intent)
{
    free(TAKE_PTR(intent->checkpoint));
    strings_clear(&intent->recorded);
    strings_clear(&intent->checkpoint_images);
    intent->committing = false;
}

bool intent_is_empty(const struct intent *intent)
{
    return !intent->socket && !intent->frozen && !intent->held && !intent->saved &&
           !intent->memory && !intent->checkpoint && intent->file_count == 0 && !intent->defined &&
           intent->former_count == 0 && !intent->resumed;
}

bool intent_holds_guest(const struct intent *intent)
{
    return intent->kind == INTENT_BACKUP &&
           (intent->socket || intent->frozen || intent->held || intent->saved);
}

void intent_each_path(struct intent *intent, void (*each)(struct intent *intent, const char *path))
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        void *value = field_of(intent, &fields[i]);
        const struct strings *list = value;
        const struct file_list *files = value;
        const struct former_list *formers = value;
        if (fields[i].counts && fields[i].type == FIELD_TEXT && *(char **)value)
            each(intent, *(char **)value);
        for (size_t j = 0; fields[i].counts && fields[i].type == FIELD_LIST && j < list->count; j++)
            each(intent, list->items[j]);
        for (size_t j = 0; fields[i].counts && fields[i].type == FIELD_FILES && j < files->count;
             j++)
            each(intent, files->files[j].path);
        for (size_t j = 0;
             fields[i].counts && fields[i].type == FIELD_FORMERS && j < formers->count; j++)
            each(intent, formers->formers[j].path);
    }
}

/* ---- its text -------------------------------------------------------------------------- */

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

static struct json *json_of_files(const struct file_list *list)
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

static void file_list_read(const struct json *array, struct file_list *list, bool *ret_bad)
{
    for (size_t i = 0; i < json_length(array); i++) {
        const struct json *entry = json_at(array, i);
        CLEANUP_FREE char *path = json_get_bytes(entry, "path", ret_bad);
        if (!path) {
            *ret_bad = true;
            continue;
        }
        struct intent_file *file = file_list_add(list, path);
        file->is_private = json_get_bool(entry, "private");
        id_get(entry, "id", &file->id);
        id_get(entry, "parent", &file->parent);
    }
}

static struct json *json_of_formers(const struct former_list *list)
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

static void former_list_read(const struct json *array, struct former_list *list, bool *ret_bad)
{
    for (size_t i = 0; i < json_length(array); i++) {
        const struct json *entry = json_at(array, i);
        CLEANUP_FREE char *path = json_get_bytes(entry, "path", ret_bad);
        CLEANUP_FREE char *from = json_get_bytes(entry, "from", ret_bad);
        if (path)
            id_get(entry, "id", &former_list_add(list, path, from)->id);
        else
            *ret_bad = true;
    }
}

static void field_write(struct json *json, const struct field *field, const struct intent *intent)
{
    const void *value = field_of(intent, field);

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
    }
}

static int field_read(const struct json *json, const struct field *field, struct intent *intent,
                      struct err *err)
{
    void *value = field_of(intent, field);
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
    for (size_t i = 0; i < FIELD_COUNT; i++)
        field_write(json, &fields[i], intent);
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
        (void)former_list_add((struct former_list *)&intent->formers, moved ? moved : outdated,
                              from);
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
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (field_read(json, &fields[i], ret, err) < 0)
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
