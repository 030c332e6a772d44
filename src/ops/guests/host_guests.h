/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The guests of this host, and which of them a run is about.
 *
 * A guest's tags are words that an administrator gives it:
 *   virsh metadata web --config --uri urn:virt-backup:tags:1 --key vb --set '<tags>nightly,gold</tags>'
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strings.h"
#include "ops/events/report.h"
#include "ops/verbs.h"

struct guest;

#define HOST_GUESTS_TAGS_NS "urn:virt-backup:tags:1"

struct host_guests {
    size_t count;
    struct strings names; /* like the others, one of each guest */
    struct strings uuids;
    struct strings titles; /* NULL: a guest without one */
    struct strings *tags;  /* owned */
    struct strings *disks; /* owned; their targets: "vda" */
};

/* What guests have. details: titles, tags and disks, too, which takes calls of libvirt for each guest;
 * one that libvirt does not describe has none. */
void host_guests_describe(struct guest *const *guests, size_t count, bool details,
                          struct host_guests *ret);
/* Connects to libvirt (NULL: its default) and describes all guests that it has, likewise. */
int host_guests_list(const char *uri, bool details, struct host_guests *ret, struct err *err);
void host_guests_clear(struct host_guests *guests);
#define CLEANUP_HOST_GUESTS CLEANUP(host_guests_clear)

/* Sets ret[i] for each guest that the word means: by name, else by UUID, else as a pattern. False: it
 * means none. */
bool host_guests_mark(const struct host_guests *guests, const char *word, bool *ret);
/* Whether a word for disks, "vdb" or "GUEST:vdb", means one of this guest. */
bool host_guests_has_disk(const struct host_guests *guests, size_t guest, const char *word);
/* Whether the choice asks for titles or tags. */
bool host_guests_need_details(const struct guest_choice *choice);
/* Sets ret_chosen[i] for each guest. Reports what matches no guest, and fails, as select_names. */
int host_guests_choose(const struct host_guests *guests, const struct guest_choice *choice,
                       const struct report *report, struct outcome *outcome, bool *ret_chosen,
                       struct err *err);
