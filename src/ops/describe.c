/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/describe.h"

#include <string.h>
#include <time.h>

#include "guest/definition/definition.h"

static char *now_text(void)
{
    char text[32];
    time_t now = time(NULL);
    struct tm utc;

    gmtime_r(&now, &utc);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
    return mem_strdup(text);
}

static enum manifest_state state_of(enum guest_state state)
{
    if (state == GUEST_RUNNING)
        return STATE_RUNNING;
    return state == GUEST_PAUSED ? STATE_PAUSED : STATE_SHUT_OFF;
}

struct manifest *describe_guest(struct hypervisor *hypervisor, struct guest *guest,
                                const struct source *source)
{
    struct manifest *manifest = manifest_new();

    manifest->tool_version = mem_strdup(VIRT_BACKUP_VERSION);
    manifest->format_version = MANIFEST_FORMAT_VERSION;
    manifest->time = now_text();
    manifest->uri = mem_strdup(hypervisor_uri(hypervisor));
    manifest->host = mem_strdup(hypervisor_host(hypervisor));
    manifest->host_uuid = mem_strdup(hypervisor_host_uuid(hypervisor));
    manifest->domain_name = mem_strdup(guest_name(guest));
    manifest->domain_uuid = mem_strdup(guest_uuid(guest));
    manifest->domain_type = mem_strdup(definition_type(source->definition));
    manifest->state = state_of(source->status.state);
    manifest->persistent = source->status.persistent;
    manifest->autostart = source->status.autostart;
    manifest->definition = xml_copy(source->definition);
    for (size_t i = 0; i < source->left_out_count; i++) {
        struct manifest_left_out *left_out = manifest_add_left_out(manifest);
        left_out->target = mem_strdup(source->left_out[i].target);
        left_out->device = mem_strdup(source->left_out[i].device);
        left_out->path = mem_strdup(source->left_out[i].path);
        left_out->reason = mem_strdup(source->left_out[i].reason);
    }
    return manifest;
}

int describe_owner(const char *path, struct manifest_owner *ret, struct err *err)
{
    struct attributes attributes = {0};

    if (attributes_read(path, &attributes, err) < 0)
        return -1;
    *ret = (struct manifest_owner){
        .known = true,
        .uid = attributes.uid,
        .gid = attributes.gid,
        .user = attributes.user,
        .group = attributes.group,
        .mode = attributes.mode,
        .selinux = attributes.selinux,
    };
    return 0;
}

int describe_disk(struct manifest *manifest, const struct source_disk *disk,
                  struct manifest_disk **ret, struct err *err)
{
    struct manifest_owner owner = {0};

    if (disk->local && describe_owner(disk->path, &owner, err) < 0)
        return -1;
    struct manifest_disk *described = manifest_add_disk(manifest);
    described->owner = owner;
    described->target = mem_strdup(disk->target);
    described->type = mem_strdup(disk->type);
    described->path = mem_strdup(disk->path);
    described->pool = mem_strdup(disk->pool);
    described->volume = mem_strdup(disk->volume);
    described->format = mem_strdup(disk->format);
    described->file_size = disk->info.file_size;
    described->option_count = disk->info.option_count;
    described->options = mem_array(disk->info.option_count, sizeof(*described->options));
    for (size_t i = 0; i < disk->info.option_count; i++) {
        described->options[i].name = mem_strdup(disk->info.options[i].name);
        described->options[i].value = mem_strdup(disk->info.options[i].value);
    }
    *ret = described;
    return 0;
}
