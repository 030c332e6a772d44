/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/pools.h"

#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/shell.h"
#include "base/xml.h"
#include "guest/bounded.h"
#include "guest/connection.h"

static bool is_one_of_folders(const struct strings *folders, const char *path)
{
    struct stat wanted;
    struct stat st;

    if (stat(path, &wanted) < 0 || !S_ISDIR(wanted.st_mode))
        return false;
    for (size_t i = 0; i < folders->count; i++)
        if (stat(folders->items[i], &st) == 0 && st.st_dev == wanted.st_dev &&
            st.st_ino == wanted.st_ino)
            return true;
    return false;
}

static void refresh_pool(virStoragePoolPtr pool, const struct strings *folders,
                         struct strings *failures)
{
    CLEANUP_FREE char *text = virStoragePoolGetXMLDesc(pool, 0);
    CLEANUP(xml_freep)
    struct xml_doc *doc = text ? xml_parse(text, strlen(text), NULL) : NULL;
    CLEANUP_FREE char *path = doc ? xml_find_text(xml_root(doc), "target/path") : NULL;

    if (!path || !is_one_of_folders(folders, path))
        return;
    if (virStoragePoolRefresh(pool, 0) == 0)
        return;
    const char *name = virStoragePoolGetName(pool);
    CLEANUP_FREE char *line = shell_virsh("pool-refresh", name);
    strings_take(failures, mem_printf("storage pool '%s' does not know the restored files yet: %s; "
                                      "once that is fixed, run: %s",
                                      name, virGetLastErrorMessage(), line));
}

void pools_refresh(struct hypervisor *hypervisor, const struct strings *folders,
                   struct strings *failures)
{
    BOUNDED_CALLS(&bounded_slow);

    virConnectPtr connection CLEANUP_CONNECTION = connection_of(hypervisor);
    virStoragePoolPtr *pools = NULL;
    int count =
        virConnectListAllStoragePools(connection, &pools, VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE);

    if (count < 0)
        log_detail("cannot list the storage pools of this host: %s", virGetLastErrorMessage());
    for (int i = 0; i < count; i++) {
        refresh_pool(pools[i], folders, failures);
        virStoragePoolFree(pools[i]);
    }
    free(pools);
}
