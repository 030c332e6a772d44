/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/undo/intent.h"

#include <string.h>

#include "ops/undo/intent_private.h"

/* ---- its fields ---------------------------------------------------------------------- */

const struct intent_field intent_fields[] = {
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
    {"disks", FIELD_DISKS, offsetof(struct intent, disks)},
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
const size_t intent_field_count = sizeof(intent_fields) / sizeof(*intent_fields);

_Static_assert(offsetof(struct intent, scratch_count) ==
                       offsetof(struct intent, scratch) + offsetof(struct strings, count) &&
                   offsetof(struct intent, file_count) ==
                       offsetof(struct intent, files) + offsetof(struct intent_files, count) &&
                   offsetof(struct intent, disk_count) ==
                       offsetof(struct intent, disks) + offsetof(struct intent_disks, count) &&
                   offsetof(struct intent, former_count) ==
                       offsetof(struct intent, formers) + offsetof(struct intent_formers, count),
               "the count of a list follows it");

void *intent_field_of(const struct intent *intent, const struct intent_field *field)
{
    return (uint8_t *)(uintptr_t)intent + field->offset;
}

struct intent_file *intent_list_add_file(struct intent_files *list, const char *path)
{
    list->files = mem_resize(list->files, list->count + 1, sizeof(*list->files));
    list->files[list->count] = (struct intent_file){.path = mem_strdup(path)};
    return &list->files[list->count++];
}

static void file_list_clear(struct intent_files *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->files[i].path);
    free(list->files);
}

struct intent_former *intent_list_add_former(struct intent_formers *list, const char *path,
                                             const char *from)
{
    list->formers = mem_resize(list->formers, list->count + 1, sizeof(*list->formers));
    list->formers[list->count] =
        (struct intent_former){.path = mem_strdup(path), .from = mem_strdup(from)};
    return &list->formers[list->count++];
}

static void former_list_clear(struct intent_formers *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->formers[i].path);
        free(list->formers[i].from);
    }
    free(list->formers);
}

void intent_clear(struct intent *intent)
{
    for (size_t i = 0; i < intent_field_count; i++)
        if (intent_fields[i].type == FIELD_TEXT)
            free(*(char **)intent_field_of(intent, &intent_fields[i]));
        else if (intent_fields[i].type == FIELD_LIST || intent_fields[i].type == FIELD_XMLS ||
                 intent_fields[i].type == FIELD_NAMES)
            strings_clear(intent_field_of(intent, &intent_fields[i]));
        else if (intent_fields[i].type == FIELD_FILES)
            file_list_clear(intent_field_of(intent, &intent_fields[i]));
        else if (intent_fields[i].type == FIELD_FORMERS)
            former_list_clear(intent_field_of(intent, &intent_fields[i]));
        else if (intent_fields[i].type == FIELD_DISKS)
            intent_list_clear_disks(intent_field_of(intent, &intent_fields[i]));
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
    struct intent_file *file = intent_list_add_file((struct intent_files *)&intent->files, path);

    if (id)
        file->id = *id;
}

void intent_add_private_folder(struct intent *intent, const char *path,
                               const struct file_id *parent)
{
    struct intent_file *file = intent_list_add_file((struct intent_files *)&intent->files, path);

    file->is_private = true;
    file->parent = *parent;
}

void intent_add_former(struct intent *intent, const char *path, const char *from,
                       const struct file_id *id)
{
    intent_list_add_former((struct intent_formers *)&intent->formers, path, from)->id = *id;
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
    for (size_t i = 0; i < intent_field_count; i++) {
        void *value = intent_field_of(intent, &intent_fields[i]);
        const struct strings *list = value;
        const struct intent_files *files = value;
        const struct intent_formers *formers = value;
        if (intent_fields[i].counts && intent_fields[i].type == FIELD_TEXT && *(char **)value)
            each(intent, *(char **)value);
        for (size_t j = 0;
             intent_fields[i].counts && intent_fields[i].type == FIELD_LIST && j < list->count; j++)
            each(intent, list->items[j]);
        for (size_t j = 0;
             intent_fields[i].counts && intent_fields[i].type == FIELD_FILES && j < files->count;
             j++)
            each(intent, files->files[j].path);
        for (size_t j = 0; intent_fields[i].counts && intent_fields[i].type == FIELD_FORMERS &&
                           j < formers->count;
             j++)
            each(intent, formers->formers[j].path);
    }
}
