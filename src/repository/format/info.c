/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/format/info.h"

#include <inttypes.h>
#include <string.h>

#include "repository/format/fields.h"
#include "repository/format/name.h"
#include "repository/format/stamp.h"

void info_clear(struct info *info)
{
    free(info->name);
    free(info->host);
    free(info->program);
    strings_clear(&info->tags);
    for (size_t i = 0; i < info->disk_count; i++)
        free(info->disks[i].target);
    free(info->disks);
    *info = (struct info){0};
}

void info_add_disk(struct info *info, const char *target, uint64_t size)
{
    info->disks = mem_resize(info->disks, info->disk_count + 1, sizeof(*info->disks));
    info->disks[info->disk_count++] = (struct info_disk){mem_strdup(target), size};
}

static const char *info_state_word(unsigned number)
{
    return manifest_state_name((enum manifest_state)number);
}

static const char *info_consistency_word(unsigned number)
{
    return manifest_consistency_name((enum manifest_consistency)number);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void set_id_or_null(struct json *json, const char *name, bool there, const struct id *id)
{
    char text[ID_TEXT_SIZE];

    json_set_str(json, name, there ? id_text(id, text) : NULL);
}

static void set_info_lists(struct json *json, const struct info *info)
{
    struct json *tags = json_new_array(), *disks = json_new_array();

    for (size_t i = 0; i < info->tags.count; i++)
        json_add_str(tags, info->tags.items[i]);
    for (size_t i = 0; i < info->disk_count; i++) {
        struct json *disk = json_new_object();
        json_set_str(disk, "target", info->disks[i].target);
        json_set_u64(disk, "size", info->disks[i].size);
        json_add(disks, disk);
    }
    json_set(json, "tags", tags);
    json_set(json, "disks", disks);
}

int info_format(const struct info *info, struct buf *ret, struct err *err)
{
    CLEANUP(json_freep) struct json *json = json_new_object();
    CLEANUP_INFO struct info again = {0};
    char uuid[ID_UUID_SIZE], stamp[STAMP_SIZE];

    json_set_u64(json, "format", FIELDS_FORMAT);
    json_set_str(json, "name", info->name);
    json_set_str(json, "uuid", id_uuid(&info->guest, uuid));
    json_set_str(json, "taken-at", stamp_format(info->taken_ms, stamp));
    json_set_str(json, "guest-state", info_state_word(info->state));
    json_set_str(json, "consistency", info_consistency_word(info->consistency));
    json_set_str(json, "host", info->host);
    json_set_str(json, "program", info->program);
    set_id_or_null(json, "base", info->has_base, &info->base);
    set_id_or_null(json, "derived-from", info->derived, &info->derived_from);
    json_set_u64(json, "stored", info->stored);
    json_set_bool(json, "memory", info->memory);
    set_info_lists(json, info);
    CLEANUP_FREE char *text = json_format(json);
    if (info_parse(text, strlen(text), &info->guest, &again, err) < 0)
        return err_prefix(err, "the facts of a point could not be read back");
    buf_append(ret, text, strlen(text));
    return 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int get_info_uuid(const struct json *json, const struct id *guest, struct err *err)
{
    const char *text = json_get_str(json, "uuid");
    char uuid[ID_UUID_SIZE];

    id_uuid(guest, uuid);
    if (!text || strcmp(text, uuid) != 0)
        return err_set(err, ERR_CORRUPT, "its UUID is %s, and its name says %s",
                       text ? text : "missing", uuid);
    return 0;
}

/* An array of at most max; its length. */
static int get_info_list(const struct json *json, const char *name, size_t max,
                         const struct json **ret, struct err *err)
{
    const struct json *list = json_get(json, name);
    CLEANUP_FREE char *text = json_format(list);

    if (!list || text[0] != '[' || json_length(list) > max)
        return err_set(err, ERR_CORRUPT, "its \"%s\" is not a list of at most %zu", name, max);
    *ret = list;
    return 0;
}

static int get_info_tags(const struct json *json, struct info *info, struct err *err)
{
    const struct json *list = NULL;

    if (get_info_list(json, "tags", LIMITS_POINT_TAGS, &list, err) < 0)
        return -1;
    for (size_t i = 0; i < json_length(list); i++) {
        const char *tag = json_get_str(json_at(list, i), "");
        if (!tag || !name_is_tag(tag) || strings_has(&info->tags, tag))
            return err_set(err, ERR_CORRUPT, "tag %zu is not a tag, or appears twice", i);
        strings_add(&info->tags, tag);
    }
    return 0;
}

static int get_info_disks(const struct json *json, struct info *info, struct err *err)
{
    const struct json *list = NULL;

    if (get_info_list(json, "disks", LIMITS_DISKS, &list, err) < 0)
        return -1;
    for (size_t i = 0; i < json_length(list); i++) {
        CLEANUP_FREE char *target = NULL;
        uint64_t size = 0;
        if (fields_text(json_at(list, i), "target", &target, err) < 0 ||
            fields_number(json_at(list, i), "size", LIMITS_IMAGE, &size, err) < 0)
            return err_prefix(err, "disk %zu", i);
        for (size_t j = 0; j < info->disk_count; j++)
            if (strcmp(info->disks[j].target, target) == 0)
                return err_set(err, ERR_CORRUPT, "disk '%s' appears twice", target);
        info_add_disk(info, target, size);
    }
    return 0;
}

static int get_info_texts(const struct json *json, struct info *info, struct err *err)
{
    unsigned state = 0, consistency = 0;

    if (fields_text(json, "name", &info->name, err) < 0 ||
        fields_text(json, "host", &info->host, err) < 0 ||
        fields_text(json, "program", &info->program, err) < 0 ||
        fields_word(json, "guest-state", info_state_word, &state, err) < 0 ||
        fields_word(json, "consistency", info_consistency_word, &consistency, err) < 0)
        return -1;
    info->state = (enum manifest_state)state;
    info->consistency = (enum manifest_consistency)consistency;
    return 0;
}

int info_parse(const void *data, size_t len, const struct id *guest, struct info *ret,
               struct err *err)
{
    CLEANUP(json_freep) struct json *json = NULL;
    CLEANUP_INFO struct info info = {.guest = *guest};

    if (fields_open(data, len, LIMITS_INFO, &json, err) < 0 ||
        get_info_uuid(json, guest, err) < 0 || get_info_texts(json, &info, err) < 0 ||
        fields_time(json, "taken-at", &info.taken_ms, err) < 0 ||
        fields_id_or_null(json, "base", &info.has_base, &info.base, err) < 0 ||
        fields_id_or_null(json, "derived-from", &info.derived, &info.derived_from, err) < 0 ||
        fields_number(json, "stored", INT64_MAX, &info.stored, err) < 0 ||
        fields_bool(json, "memory", &info.memory, err) < 0 || get_info_tags(json, &info, err) < 0 ||
        get_info_disks(json, &info, err) < 0)
        return -1;
    *ret = info;
    info = (struct info){0};
    return 0;
}
