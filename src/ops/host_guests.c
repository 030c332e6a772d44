/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/host_guests.h"

#include <string.h>

#include "base/xml.h"
#include "guest/guest.h"
#include "ops/select.h"

#define BETWEEN_TAGS ", \t\r\n"

static void read_tags(const struct xml_node *root, struct strings *ret)
{
    const struct xml_node *metadata = xml_child(root, NULL, "metadata");
    const struct xml_node *node =
        metadata ? xml_child(metadata, HOST_GUESTS_TAGS_NS, "tags") : NULL;
    CLEANUP_FREE char *text = node ? xml_text(node) : NULL;

    for (const char *tag = text; tag && *(tag += strspn(tag, BETWEEN_TAGS));) {
        size_t len = strcspn(tag, BETWEEN_TAGS);
        strings_take(ret, mem_strndup(tag, len));
        tag += len;
    }
}

/* The caller frees; NULL: it has none. */
static char *read_labels(struct guest *guest, struct strings *ret_tags)
{
    CLEANUP_FREE char *text = NULL;
    CLEANUP(xml_freep) struct xml_doc *doc = NULL;

    if (guest_get_xml(guest, GUEST_XML_PERSISTENT, &text, NULL) < 0 ||
        !(doc = xml_parse(text, strlen(text), NULL)))
        return NULL;
    read_tags(xml_root(doc), ret_tags);
    return xml_find_text(xml_root(doc), "title");
}

void host_guests_describe(struct guest *const *guests, size_t count, bool labels,
                          struct host_guests *ret)
{
    *ret = (struct host_guests){.count = count, .tags = mem_array(count, sizeof(*ret->tags))};
    for (size_t i = 0; i < count; i++) {
        strings_add(&ret->names, guest_name(guests[i]));
        strings_add(&ret->uuids, guest_uuid(guests[i]));
        strings_take(&ret->titles, labels ? read_labels(guests[i], &ret->tags[i]) : NULL);
    }
}

int host_guests_list(const char *uri, struct host_guests *ret, struct err *err)
{
    CLEANUP(hypervisor_closep) struct hypervisor *hypervisor = NULL;
    struct guest **guests = NULL;
    size_t count = 0;

    if (hypervisor_open(uri, &hypervisor, err) < 0 ||
        hypervisor_list(hypervisor, &guests, &count, err) < 0)
        return -1;
    host_guests_describe(guests, count, true, ret);
    guest_list_free(guests, count);
    return 0;
}

void host_guests_clear(struct host_guests *guests)
{
    strings_clear(&guests->names);
    strings_clear(&guests->uuids);
    strings_clear(&guests->titles);
    for (size_t i = 0; i < guests->count; i++)
        strings_clear(&guests->tags[i]);
    free(guests->tags);
    *guests = (struct host_guests){0};
}

bool host_guests_need_labels(const struct guest_choice *choice)
{
    return choice->titles.count || choice->tags.count;
}

int host_guests_choose(const struct host_guests *guests, const struct guest_choice *choice,
                       const struct report *report, struct outcome *outcome, bool *ret_chosen,
                       struct err *err)
{
    const struct select_request request = {
        .names = (const char *const *)guests->names.items,
        .uuids = (const char *const *)guests->uuids.items,
        .titles = (const char *const *)guests->titles.items,
        .tags = guests->tags,
        .count = guests->count,
        .wanted = &choice->names,
        .wanted_titles = &choice->titles,
        .wanted_tags = &choice->tags,
        .excluded = &choice->excluded,
        .where = "the hypervisor",
        .report = report,
        .outcome = outcome,
    };

    return select_names(&request, ret_chosen, err);
}
