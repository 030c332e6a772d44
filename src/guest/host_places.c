/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/host_places.h"

#include <stdbool.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "base/xml.h"
#include "guest/bounded.h"
#include "guest/connection.h"
#include "guest/driver_folder.h"

static struct strings list_emulators(virConnectPtr connection)
{
    BOUNDED_CALLS(&bounded_slow);

    CLEANUP_FREE char *text = virConnectGetCapabilities(connection);
    CLEANUP(xml_freep)
    struct xml_doc *doc = text ? xml_parse(text, strlen(text), NULL) : NULL;
    struct strings list = {0};

    if (!doc) {
        log_detail("cannot list the emulators of this host: %s", virGetLastErrorMessage());
        return list;
    }
    for (struct xml_node *node = xml_root(doc); node; node = xml_walk(xml_root(doc), node))
        if (xml_is(node, NULL, "emulator"))
            strings_take(&list, xml_text(node));
    return list;
}

static void add_pool(struct strings *list, virStoragePoolPtr pool)
{
    CLEANUP_FREE char *text = virStoragePoolGetXMLDesc(pool, 0);
    CLEANUP(xml_freep)
    struct xml_doc *doc = text ? xml_parse(text, strlen(text), NULL) : NULL;
    static const char *const folders[] = {"dir", "fs", "netfs"};
    const char *type = doc ? xml_attr(xml_root(doc), "type") : NULL;
    char *path = doc ? xml_find_text(xml_root(doc), "target/path") : NULL;

    for (size_t i = 0; type && path && i < ARRAY_COUNT(folders); i++)
        if (strcmp(type, folders[i]) == 0)
            strings_take(list, TAKE_PTR(path));
    free(path);
}

static struct strings list_pools(virConnectPtr connection)
{
    BOUNDED_CALLS(&bounded_usual);

    virStoragePoolPtr *pools = NULL;
    struct strings list = {0};
    int count = virConnectListAllStoragePools(connection, &pools, 0);

    if (count < 0)
        log_detail("cannot list the storage pools of this host: %s", virGetLastErrorMessage());
    for (int i = 0; i < count; i++) {
        add_pool(&list, pools[i]);
        virStoragePoolFree(pools[i]);
    }
    free(pools);
    return list;
}

/* A session's driver keeps them beside lib/, the system's in the same folder. */
static char *nvram_folder(const char *state)
{
    size_t len = strlen(state);
    bool beside = text_ends(state, "/lib");

    return mem_printf("%.*s/nvram", (int)(beside ? len - 4 : len), state);
}

void host_places_guess(const char *uri, struct host_places *ret)
{
    char *state = driver_folder(uri);

    *ret = (struct host_places){.state = state, .nvram = nvram_folder(state)};
}

void host_places_read(struct hypervisor *hypervisor, struct host_places *ret)
{
    virConnectPtr connection CLEANUP_CONNECTION = connection_of(hypervisor);

    host_places_guess(hypervisor_uri(hypervisor), ret);
    ret->emulators = list_emulators(connection);
    ret->pools = list_pools(connection);
}

void host_places_clear(struct host_places *places)
{
    strings_clear(&places->emulators);
    strings_clear(&places->pools);
    free(places->state);
    free(places->nvram);
    *places = (struct host_places){0};
}
