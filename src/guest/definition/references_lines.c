/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What character devices need: serial lines, consoles, channels and whatever else has a <source> of
 * their kinds.
 */
#include "base/array.h"
#include "guest/definition/references.h"

#include <string.h>

#include "guest/definition/internal.h"

/* QEMU goes on without the other side if it may connect later. */
static bool connects_later(const struct xml_node *source)
{
    return definition_attr_is(xml_child(source, NULL, "reconnect"), "enabled", "yes");
}

/* libvirt connects unless the mode says otherwise; a vhost-user server is the other side's
 * listener. */
static bool is_listener(const struct xml_node *source)
{
    return definition_attr_is(source, "mode", "bind") ||
           definition_attr_is(source, "mode", "server");
}

void definition_line_add(struct references *references, const struct xml_node *source,
                         const char *type, const char *use)
{
    static const struct {
        const char *type;
        enum reference_kind kind;
    } kinds[] = {{"dev", REF_FILE}, {"pipe", REF_PIPE}, {"file", REF_PARENT}};

    if (!source || !type)
        return;
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++)
        if (strcmp(type, kinds[i].type) == 0)
            definition_reference_add(references, kinds[i].kind, xml_attr(source, "path"), NULL,
                                     use);
    if (strcmp(type, "unix") != 0 || connects_later(source))
        return;
    definition_reference_add(references, is_listener(source) ? REF_PARENT : REF_SOCKET,
                             xml_attr(source, "path"), NULL, use);
}

static void add_line(struct references *references, const struct xml_node *line, const char *use)
{
    const struct xml_node *log = xml_child(line, NULL, "log");

    for (const struct xml_node *source = xml_child(line, NULL, "source"); source;
         source = xml_next_same(source))
        definition_line_add(references, source, xml_attr(line, "type"), use);
    if (log) {
        CLEANUP_FREE char *log_use = mem_printf("%s's log", use);
        definition_reference_add(references, REF_PARENT, xml_attr(log, "file"), NULL, log_use);
    }
}

void definition_lines_add(struct references *references, const struct xml_node *device)
{
    static const char *const lines[] = {"serial",  "parallel", "console",
                                        "channel", "redirdev", "smartcard"};

    for (size_t i = 0; i < ARRAY_COUNT(lines); i++)
        if (xml_is(device, NULL, lines[i]))
            add_line(references, device, lines[i]);
    if (!xml_is(device, NULL, "rng"))
        return;
    for (const struct xml_node *backend = xml_child(device, NULL, "backend"); backend;
         backend = xml_next_same(backend))
        add_line(references, backend, "rng");
}
