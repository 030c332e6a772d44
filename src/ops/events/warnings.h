/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a verb warns of, as data: a kind, and those fields that its text in cli/warnings.c names. All
 * is borrowed.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "guest/definition/check.h"
#include "guest/definition/definition.h"

enum warning_kind {
    /* of several verbs */
    WARNING_COMPRESSION_BUFFER,
    WARNING_NO_SANDBOX,
    WARNING_NOT_SEALED,
    WARNING_SEALS_UNKNOWN,
    WARNING_LEFT_BEHIND,     /* by an earlier run, which is about to be put right */
    WARNING_LEFT_TO_RECOVER, /* the same; it stays until the verb recover is run */
    WARNING_RECOVER_LATER,
    WARNING_NOT_PUT_BACK,
    /* backup */
    WARNING_MEMORY_UNSAFE,
    WARNING_MEMORY_FORCED,
    WARNING_NOT_FROZEN,
    WARNING_SNAPSHOTS_LEFT_OUT,
    WARNING_OTHER_SOURCE,
    WARNING_DISK_NOT_RUNNING,
    WARNING_MARKED_CORRUPT,
    WARNING_FORMAT_UNWRITABLE,
    WARNING_NEEDS_TRUST,
    WARNING_READ_WHOLE,
    WARNING_SNAPSHOTS_NOT_FOLLOWED,
    WARNING_SAVE_IMAGE_UNKNOWN,
    WARNING_SAVE_IMAGE_COMPRESSED, /* the same, of an image that is stored compressed */
    /* restore */
    WARNING_RENAMED_SINCE,
    WARNING_TRUSTED,
    WARNING_MEDIUM_LEFT_OUT,
    WARNING_DISK_LEFT_OUT,
    WARNING_MEMORY_DROPPED,
    WARNING_SHARED_DIFFERS,
    WARNING_COPY_WITHOUT_MEMORY,
    WARNING_COPY_NOT_STARTED,
    WARNING_NO_MEMORY_IMAGE,
    WARNING_POINTS_REMOVED,
    WARNING_POINTS_WOULD_BE_REMOVED,
    WARNING_BASE_REPLACED,
    WARNING_MODE_CHANGED,
    WARNING_OWNER_CHANGED,
    WARNING_POOL_NOT_REFRESHED,
    WARNING_HELD_BY_RESTORE,
    WARNING_HOST_INACTIVE,
    WARNING_HOST_LACKS,
    WARNING_HOST_LACKS_VOLUME,
    WARNING_DEVICE_UNSURE,
    /* verify */
    WARNING_SEAL_BROKEN,
    /* of a repository */
    WARNING_UNKNOWN_OBJECT,
    WARNING_KINDS
};

struct warning {
    enum warning_kind kind;
    const char *disk;  /* its target */
    const char *guest; /* another one than the warning is about */
    const char *name;  /* of what the host lacks, or what is not active there */
    const char *volume;
    const char *uses; /* what the guest needs that for */
    const char *path;
    const char *other_path;
    const char *format;
    const char *codec;
    const char *command; /* for the shell */
    const char *time;    /* RFC 3339 */
    const char *newer;   /* the same */
    const char *finding;
    const char *why; /* the text of a struct err, or the reason that a manifest has */
    const struct definition_findings *findings;
    enum reference_kind thing; /* the kind of `name` */
    uint64_t buffer_size;
    uint64_t dictionary_size;
    uint64_t chunk_size;
    uint32_t mode;
    uint32_t new_mode;
    size_t snapshots;
    size_t checkpoints;
};
