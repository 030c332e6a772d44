/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/backup/names.h"

#include "guest/hypervisor.h"

int backup_names_begin(struct backup_run *run, struct guest *guest, struct points_set **ret,
                       struct err *err)
{
    const struct points_request request = {
        .guest = guest_name(guest),
        .uuid = guest_uuid(guest),
        .host = hypervisor_host(run->hypervisor),
        .host_uuid = hypervisor_host_uuid(run->hypervisor),
        .key = run->key,
        .replace = run->options->replace,
        .wait_ms = run->options->wait_ms,
        .like = run->options->like,
        .no_refresh = run->options->no_refresh,
        .memory = children_store_memory(&run->options->children),
        .tags = run->options->tags.names,
        .tag_count = run->options->tags.count,
    };

    if (points_begin(run->writer, &request, ret, err) == 0)
        return 0;
    run->busy = err && err->kind == ERR_BUSY;
    return -1;
}

int backup_names_try(struct points_set *set, const struct source *source, bool memory,
                     enum codec_type codec, struct err *err)
{
    for (size_t i = 0; i < source->disk_count; i++) {
        const struct points_item disk = {.kind = POINTS_DISK, .target = source->disks[i].target};
        if (points_expect(set, &disk, codec, err) < 0)
            return err_prefix(err, "disk '%s'", disk.target);
    }
    for (size_t i = 0; i < source->extras.count; i++) {
        const struct points_item extra = {.kind = POINTS_SMALL,
                                          .extra = source->extras.files[i].kind};
        if (points_expect(set, &extra, CODEC_NONE, err) < 0)
            return err_prefix(err, "%s", extras_kind_text(extra.extra));
    }
    const struct points_item image = {.kind = POINTS_MEMORY};
    if (memory && points_expect(set, &image, codec, err) < 0)
        return err_prefix(err, "memory");
    return 0;
}
