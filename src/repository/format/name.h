/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the objects of a repository are called, see NAMES in virt-backup-repository(5). No name is
 * ever used for a second object, with the exceptions told there.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "repository/format/id.h"
#include "repository/format/limits.h"

#define NAME_RANDOM_SIZE 17 /* 16 hex digits and a NUL */

enum name_kind {
    NAME_CONFIG,
    NAME_RESERVE,    /* folders only: room for the collector when the disk is full */
    NAME_KEY,        /* SCOPE, id's first 8 bytes, random */
    NAME_SESSION,    /* SCOPE, guest, session: is announced */
    NAME_SLOT,       /* the same: its point or tombstone */
    NAME_MARKER,     /* and number: is in the trash */
    NAME_VERDICT,    /* the same: on that marker */
    NAME_HOLD,       /* SCOPE, guest, session */
    NAME_TAG,        /* and tag */
    NAME_COLLECTION, /* SCOPE, random: under way */
    NAME_PACK,       /* SCOPE, session, number */
    NAME_BAD_PACK,   /* the same */
    NAME_VERIFIED,   /* SCOPE, guest, session, random */
    NAME_SET_ASIDE,  /* SCOPE, guest, session */
    NAME_RESULT,     /* SCOPE, guest, session: made like one; random: stands for a host */
    NAME_PART,       /* folders only: SCOPE, guest, session, number: a file being written */
    NAME_LONE_PART,  /* folders only: random */
};

/* Only the members that the kind has, by the list above, mean something. */
struct name {
    enum name_kind kind;
    char scope[LIMITS_SCOPE + 1];
    struct id guest;
    struct id session;
    uint32_t number; /* of a marker from 1, of a pack from 0 */
    char tag[LIMITS_TAG + 1];
    char random[NAME_RANDOM_SIZE]; /* of a key: its id comes before, "KEYID-RANDOM" */
    char key[NAME_RANDOM_SIZE];
};

/* The caller frees. */
char *name_format(const struct name *name);
/* False if it is not exactly what name_format would give. */
bool name_parse(const char *text, struct name *ret);
/* Whether names of objects go on below this one: of "p/default", but not of a slot. */
bool name_is_folder(const char *text);

bool name_is_scope(const char *text);
bool name_is_tag(const char *text);
