/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The guest's memory: from the save image that libvirt made to the stored one, and from that to a
 * save image that resumes the restored guest.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "record/manifest.h"
#include "base/err.h"
#include "guest/definition/check.h"
#include "ops/transfer/children.h"
#include "ops/points/points.h"
#include "ops/events/report.h"
#include "ops/staging.h"

struct memory_store {
    struct children *children; /* with the pool for the stream */
    const struct report *report;
    const char *guest;
    const struct staging *staging; /* for a stream that must be decoded first */
    struct points_set *set;        /* where it goes */
    struct codec_spec codec;
    uint64_t chunk_size;
    bool keep_state; /* leave the header's running or paused as it is: */
    bool running;    /* otherwise: resume running, not paused */
};

/* Stores the save image at sav_path. *ret_usage as for points_finish_image. An image compressed by libvirt is
 * decoded first. An image of unknown layout is stored as it is, with a notice. */
int memory_store(const struct memory_store *store, const char *sav_path,
                 struct manifest_stored *ret, uint64_t *ret_usage, struct err *err);

struct memory_restore {
    struct children *children;
    const struct report *report;
    const char *guest;
    const struct point *backup; /* which has memory */
    const char *path;           /* of the file that is written, for messages; NULL: of none */
    bool keep_state;            /* leave the header's running or paused as it is */
    bool trusted;               /* accept what memory_look finds */
};

/* Adds to *findings what libvirt would get from the backup's memory image besides the memory: a cookie that
 * holds more than libvirt puts there, or the whole of an image whose layout is unknown, which
 * cannot be given other XML. */
int memory_look(const struct point *backup, struct definition_findings *findings, struct err *err);

/* Writes an uncompressed save image to an empty file, with this XML instead of the stored one. What
 * memory_look finds in it is refused (denied) unless it is trusted. */
int memory_restore(const struct memory_restore *restore, int fd, const char *xml, bool running,
                   struct err *err);
/* Decodes all of it and compares it with the manifest. */
int memory_verify(const struct memory_restore *restore, struct err *err);
