/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/backup/names.h"

#include "archive/names.h"
#include "base/cleanup.h"
#include "guest/hypervisor.h"

int backup_names_begin(struct backup_run *run, struct guest *guest, struct backup_set **ret,
                       struct err *err)
{
    const struct backup_set_request request = {
        .domain = guest_name(guest),
        .uuid = guest_uuid(guest),
        .host = hypervisor_host(run->hypervisor),
        .host_uuid = hypervisor_host_uuid(run->hypervisor),
        .key = run->key,
        .replace = run->options->replace,
        .wait_ms = run->options->wait_ms,
    };

    if (backup_set_begin(run->archive, &request, ret, err) == 0)
        return 0;
    run->busy = err && err->kind == ERR_BUSY;
    return -1;
}

int backup_names_try(struct backup_set *set, const char *domain, const struct source *source,
                     bool memory, enum codec_type codec, struct err *err)
{
    for (size_t i = 0; i < source->disk_count; i++) {
        CLEANUP_FREE char *name = archive_disk_name(domain, source->disks[i].target, codec, err);
        if (!name || backup_set_expect(set, name, err) < 0)
            return err_prefix(err, "disk '%s'", source->disks[i].target);
    }
    for (size_t i = 0; i < source->extras.count; i++) {
        enum manifest_extra_kind kind = source->extras.files[i].kind;
        CLEANUP_FREE char *name = archive_extra_name(domain, kind, err);
        if (!name || backup_set_expect(set, name, err) < 0)
            return err_prefix(err, "%s", extras_kind_text(kind));
    }
    if (!memory)
        return 0;
    CLEANUP_FREE char *name = archive_memory_name(domain, err);
    if (!name || backup_set_expect(set, name, err) < 0)
        return err_prefix(err, "memory");
    return 0;
}
