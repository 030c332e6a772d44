/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * CPUs, NUMA nodes and sizes of huge pages to which a guest is tied.
 */
#include <inttypes.h>
#include <string.h>

#include "base/units.h"
#include "guest/definition/internal.h"
#include "guest/definition/references.h"

/* Sets go no further; libvirt's own bound is above what hosts have. */
#define MAX_IN_SET 4096

/* A number at *text, which is moved behind it; false if no digit is there, or it is too large. */
static bool read_number(const char **text, uint64_t *ret)
{
    size_t len = strspn(*text, "0123456789");
    CLEANUP_FREE char *digits = mem_strndup(*text, len);

    *text += len;
    return len > 0 && units_parse_number(digits, 0, MAX_IN_SET - 1, ret, NULL) == 0;
}

/* The greatest member of "0-7,^4,12"; false if the set is empty or malformed. */
static bool greatest_of_set(const char *text, uint64_t *ret)
{
    bool members[MAX_IN_SET] = {false};
    bool any = false;

    while (*text) {
        bool out = *text == '^';
        uint64_t first = 0, last = 0;
        text += out;
        if (!read_number(&text, &first))
            return false;
        last = first;
        if (*text == '-' && (text++, !read_number(&text, &last)))
            return false;
        for (uint64_t i = first; i <= last; i++)
            members[i] = !out;
        text += strspn(text, ", ");
    }
    for (uint64_t i = 0; i < MAX_IN_SET; i++) {
        if (members[i]) {
            *ret = i;
            any = true;
        }
    }
    return any;
}

static void add_set(struct references *references, enum reference_kind kind, const char *set,
                    const char *use)
{
    uint64_t greatest = 0;

    if (!set || !greatest_of_set(set, &greatest))
        return;
    CLEANUP_FREE char *name = mem_printf("%" PRIu64, greatest);
    definition_reference_add(references, kind, name, NULL, use);
}

static void add_pins(struct references *references, const struct xml_node *root)
{
    static const char *const pins[] = {"vcpupin", "emulatorpin", "iothreadpin"};
    const struct xml_node *vcpu = xml_child(root, NULL, "vcpu");
    const struct xml_node *tune = xml_child(root, NULL, "cputune");

    if (vcpu)
        add_set(references, REF_CPU, xml_attr(vcpu, "cpuset"), "vcpu");
    for (size_t i = 0; tune && i < sizeof(pins) / sizeof(*pins); i++)
        for (const struct xml_node *pin = xml_child(tune, NULL, pins[i]); pin;
             pin = xml_next_same(pin))
            add_set(references, REF_CPU, xml_attr(pin, "cpuset"), pins[i]);
}

static void add_nodes(struct references *references, const struct xml_node *root)
{
    const struct xml_node *tune = xml_child(root, NULL, "numatune");

    for (const struct xml_node *node = tune ? xml_first(tune) : NULL; node; node = xml_next(node))
        if (xml_is(node, NULL, "memory") || xml_is(node, NULL, "memnode"))
            add_set(references, REF_NODE, xml_attr(node, "nodeset"), "numatune");
}

/* In KiB; 0: it cannot be told. */
static uint64_t page_size(const struct xml_node *page)
{
    const char *size = xml_attr(page, "size");
    const char *unit = xml_attr(page, "unit");
    CLEANUP_FREE char *text = mem_printf("%s%s", size ? size : "", unit ? unit : "KiB");
    uint64_t bytes = 0;

    return units_parse_size(text, &bytes, NULL) == 0 ? bytes / KIB : 0;
}

static void add_pages(struct references *references, const struct xml_node *root)
{
    const struct xml_node *pages = xml_find(root, "memoryBacking/hugepages");

    for (const struct xml_node *page = pages ? xml_child(pages, NULL, "page") : NULL; page;
         page = xml_next_same(page)) {
        uint64_t kib = page_size(page);
        CLEANUP_FREE char *name = mem_printf("%" PRIu64 " KiB", kib);
        if (kib > 0)
            definition_reference_add(references, REF_PAGES, name, NULL, "memory");
    }
}

void definition_host_add(struct references *references, const struct xml_node *root)
{
    add_pins(references, root);
    add_nodes(references, root);
    add_pages(references, root);
}
