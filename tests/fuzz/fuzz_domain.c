/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A guest's domain XML: all that reads it, and what rewrites it for a restored guest.
 */
#include "fuzz.h"

#include <string.h>

#include "guest/definition/definition.h"

#define TWIN_UUID "5e0f7c3a-9d1b-4c8e-a2f6-0b1c2d3e4f50"
#define NEW_PATH "/new/place/disk.qcow2"

static void read_facts(const struct xml_doc *domain)
{
    const char *format = NULL;
    CLEANUP_FREE char *name = definition_name(domain);
    CLEANUP_FREE char *uuid = definition_uuid(domain);
    CLEANUP_FREE char *nvram = definition_nvram(domain, &format);
    CLEANUP_FREE char *unmigratable = definition_unmigratable(domain);
    struct reference *references = NULL;
    size_t count = 0;

    FUZZ_CHECK(!name || strlen(name) <= XML_MAX_SIZE);
    FUZZ_CHECK(!uuid || strlen(uuid) <= XML_MAX_SIZE);
    FUZZ_CHECK(!nvram || format);
    FUZZ_CHECK(!unmigratable || *unmigratable);
    (void)definition_type(domain);
    (void)definition_has_tpm_emulator(domain);
    if (definition_references(domain, NULL, 0, &references, &count, NULL) == 0)
        definition_references_free(references, count);
}

/* The disks lie where they were put. */
static void check_moved(const struct xml_doc *domain, const struct definition_disks *old)
{
    CLEANUP_DEFINITION_DISKS struct definition_disks now = {0};

    FUZZ_CHECK(definition_read_disks(domain, &now, NULL) == 0 && now.count == old->count);
    for (size_t i = 0; i < now.count; i++)
        FUZZ_CHECK(now.disks[i].path && strcmp(now.disks[i].path, NEW_PATH) == 0);
}

static void rewrite(struct xml_doc *domain, const struct definition_disks *disks)
{
    const struct definition_move moves[] = {{"/img/web.qcow2", "/new/web.qcow2"},
                                            {"/img/data,1.raw", "/new/data,1.raw"}};
    size_t i;

    definition_replace_paths(domain, moves, 2);
    for (i = 0; i < disks->count; i++)
        if (definition_set_disk(domain, disks->disks[i].target, NEW_PATH, false, "qcow2", NULL) < 0)
            break;
    if (i == disks->count)
        check_moved(domain, disks);
    definition_set_nvram(domain, "/new/nvram.fd");
    if (definition_rename(domain, "twin", TWIN_UUID, NULL) == 0) {
        CLEANUP_FREE char *name = definition_name(domain);
        FUZZ_CHECK(name && strcmp(name, "twin") == 0);
    }
    CLEANUP_FREE char *text = xml_format(domain);
    CLEANUP(xml_freep) struct xml_doc *again = xml_parse(text, strlen(text), NULL);
    FUZZ_CHECK(again || strlen(text) > XML_MAX_SIZE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(xml_freep) struct xml_doc *domain = xml_parse((const char *)data, size, NULL);
    CLEANUP_DEFINITION_DISKS struct definition_disks disks = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    if (!domain)
        return 0;
    read_facts(domain);
    if (definition_read_disks(domain, &disks, &err) == 0) {
        for (size_t i = 0; i < disks.count; i++)
            FUZZ_CHECK(*disks.disks[i].target && !strchr(disks.disks[i].target, '/'));
        rewrite(domain, &disks);
    } else {
        FUZZ_CHECK(err.text);
    }
    return 0;
}
