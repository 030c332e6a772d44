/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The emulated TPM. libvirt allows a guest at most one.
 */
#include "guest/definition/definition.h"

#include <string.h>

#include "guest/definition/internal.h"

static struct xml_node *find_backend(const struct xml_doc *domain)
{
    for (const struct xml_node *tpm = xml_find(xml_root(domain), "devices/tpm"); tpm;
         tpm = xml_next_same(tpm)) {
        struct xml_node *backend = xml_child(tpm, NULL, "backend");
        if (definition_attr_is(backend, "type", "emulator"))
            return backend;
    }
    return NULL;
}

bool definition_has_tpm_emulator(const struct xml_doc *domain)
{
    return find_backend(domain) != NULL;
}

const char *definition_tpm_version(const struct xml_doc *domain)
{
    return definition_attr_is(find_backend(domain), "version", "1.2") ? "1.2" : "2.0";
}

/* The <source> that names a place; libvirt has it since 10.10. */
static const struct xml_node *find_source(const struct xml_node *backend)
{
    const struct xml_node *source = backend ? xml_child(backend, NULL, "source") : NULL;

    return source && xml_attr(source, "type") && xml_attr(source, "path") ? source : NULL;
}

const char *definition_tpm_source(const struct xml_doc *domain)
{
    const struct xml_node *source = find_source(find_backend(domain));

    return source ? xml_attr(source, "type") : NULL;
}

char *definition_tpm_state(const struct xml_doc *domain, const char *folder, const char *uuid)
{
    const struct xml_node *backend = find_backend(domain);
    const struct xml_node *source = find_source(backend);
    bool old = strcmp(definition_tpm_version(domain), "1.2") == 0;
    const char *file = old ? "tpm-00.permall" : "tpm2-00.permall";

    if (!backend)
        return NULL;
    if (!source)
        return mem_printf("%s/%s/%s/%s", folder, uuid, old ? "tpm1.2" : "tpm2", file);
    if (definition_attr_is(source, "type", "dir"))
        return mem_printf("%s/%s", xml_attr(source, "path"), file);
    if (definition_attr_is(source, "type", "file"))
        return mem_strdup(xml_attr(source, "path"));
    return mem_printf("%s:%s", xml_attr(source, "type"), xml_attr(source, "path"));
}

void definition_set_tpm_source(struct xml_doc *domain, const char *path)
{
    struct xml_node *backend = find_backend(domain);
    struct xml_node *source = backend ? xml_child(backend, NULL, "source") : NULL;

    if (!source)
        return;
    if (path)
        xml_set_attr(source, "path", path);
    else
        xml_remove(source);
}
