/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/guests/host_guests.h"

#include <string.h>

#include "base/xml.h"
#include "guest/guest.h"
#include "ops/guests/select_private.h"

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

static struct xml_doc *read_definition(struct guest *guest, enum guest_xml_kind kind)
{
    CLEANUP_FREE char *text = NULL;

    return guest_get_xml(guest, kind, &text, NULL) < 0 ? NULL : xml_parse(text, strlen(text), NULL);
}

static void read_disks(const struct xml_node *root, struct strings *ret)
{
    for (const struct xml_node *disk = xml_find(root, "devices/disk"); disk;
         disk = xml_next_same(disk)) {
        const char *target = xml_find_attr(disk, "target", "dev");
        if (target && !strings_has(ret, target))
            strings_add(ret, target);
    }
}

static void read_details(struct guest *guest, struct host_guests *ret, size_t at)
{
    CLEANUP(xml_freep) struct xml_doc *doc = read_definition(guest, GUEST_XML_PERSISTENT);
    CLEANUP(xml_freep) struct xml_doc *live = read_definition(guest, GUEST_XML_LIVE);

    if (doc) {
        ret->titles.items[at] = xml_find_text(xml_root(doc), "title");
        read_tags(xml_root(doc), &ret->tags[at]);
        read_disks(xml_root(doc), &ret->disks[at]);
    }
    if (live)
        read_disks(xml_root(live), &ret->disks[at]);
}

void host_guests_describe(struct guest *const *guests, size_t count, bool details,
                          struct host_guests *ret)
{
    *ret = (struct host_guests){.count = count,
                                .tags = mem_array(count, sizeof(*ret->tags)),
                                .disks = mem_array(count, sizeof(*ret->disks))};
    for (size_t i = 0; i < count; i++) {
        strings_add(&ret->names, guest_name(guests[i]));
        strings_add(&ret->uuids, guest_uuid(guests[i]));
        strings_take(&ret->titles, NULL);
        if (details)
            read_details(guests[i], ret, i);
    }
}

int host_guests_list(const char *uri, bool details, struct host_guests *ret, struct err *err)
{
    CLEANUP(hypervisor_closep) struct hypervisor *hypervisor = NULL;
    struct guest **guests = NULL;
    size_t count = 0;

    if (hypervisor_open(uri, &hypervisor, err) < 0 ||
        hypervisor_list(hypervisor, &guests, &count, err) < 0)
        return -1;
    host_guests_describe(guests, count, details, ret);
    guest_list_free(guests, count);
    return 0;
}

void host_guests_clear(struct host_guests *guests)
{
    strings_clear(&guests->names);
    strings_clear(&guests->uuids);
    strings_clear(&guests->titles);
    for (size_t i = 0; i < guests->count; i++) {
        strings_clear(&guests->tags[i]);
        strings_clear(&guests->disks[i]);
    }
    free(guests->tags);
    free(guests->disks);
    *guests = (struct host_guests){0};
}

bool host_guests_mark(const struct host_guests *guests, const char *word, bool *ret)
{
    const struct select_request request = {
        .names = (const char *const *)guests->names.items,
        .uuids = (const char *const *)guests->uuids.items,
        .count = guests->count,
    };

    return select_mark(&request, word, ret);
}

bool host_guests_has_disk(const struct host_guests *guests, size_t guest, const char *word)
{
    const char *colon = strrchr(word, ':');
    CLEANUP_FREE char *name = colon ? mem_strndup(word, (size_t)(colon - word)) : NULL;
    CLEANUP_FREE bool *meant = mem_array(guests->count, sizeof(*meant));

    if (name && (!host_guests_mark(guests, name, meant) || !meant[guest]))
        return false;
    return strings_has(&guests->disks[guest], colon ? colon + 1 : word);
}

bool host_guests_need_details(const struct guest_choice *choice)
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
