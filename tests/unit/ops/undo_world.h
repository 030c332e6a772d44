/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What dead runs may have left: guests of the fake hypervisor, files and a journal, and how all
 * that must be once it is undone.
 */
#pragma once

#include "base/cleanup.h"
#include "fake_hypervisor.h"
#include "ops/undo/intent.h"

#define WEB "11111111-2222-4333-8444-555555555555"
#define CHECKPOINT "vb-0123456789abcdef-00112233445566778899aabbccddeeff"
#define NEW "99999999-8888-4777-8666-555555555555"

struct world {
    char folder[64];
    int state_fd;
    struct fake *fake;
    struct fake_guest *web;
};

void world_make(struct world *world);
void world_clear(struct world *world);
/* The caller frees. */
char *path_in(const struct world *world, const char *name);
bool exists(const struct world *world, const char *name);
void make_file(const struct world *world, const char *name, const void *data, size_t len);
/* A save image of the guest WEB. */
void make_image(const struct world *world, const char *name);
void make_image_of(const struct world *world, const char *name, const char *xml);
/* An intent of the guest WEB as a run has it before it does anything; note writes it. */
void intent_begin(struct intent *intent, enum intent_kind kind);
void backup_begin(const struct world *world, struct intent *intent);
void note(const struct world *world, struct intent *intent);

struct scenario {
    const char *name;
    void (*make)(const struct world *world);
    void (*check)(const struct world *world);
};
extern const struct scenario scenarios[];
extern const size_t scenario_count;

/* Some of them by name. */
void saved_and_down(const struct world *world);
void checkpoint_of_a_guest_that_is_off(const struct world *world);
void as_it_was(const struct world *world);
