/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Small archives, written by the layers that write real ones. Every failure ends the
 * program.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum sample_kind {
    SAMPLE_RAW,    /* a raw disk and NVRAM */
    SAMPLE_LZMA,   /* an .xz disk */
    SAMPLE_ZSTD,   /* a .zst disk */
    SAMPLE_MEMORY, /* memory alone */
    SAMPLE_MIXED,  /* a disk of each codec, NVRAM and memory */
    SAMPLE_KINDS,
};

extern const char *const sample_names[SAMPLE_KINDS];

struct sample {
    char *path;      /* owned; the archive's folder */
    uint8_t *vda;    /* owned: the image of that disk; NULL: there is none */
    uint8_t *memory; /* owned: the stream; NULL: there is none */
    size_t vda_len;
    size_t memory_len;
};

/* Makes the folder, with a backup of guest "web"; `variant` says which content it has.
 * Beside it lies a backup of a guest "other" without a file: one that cannot be read must
 * not be passed over because others can. */
void sample_make(const char *path, enum sample_kind kind, unsigned variant, struct sample *ret);
/* A backup of another guest of this name, of the same kind and size. */
void sample_add(const struct sample *sample, const char *domain, enum sample_kind kind,
                unsigned variant);
void sample_clear(struct sample *sample);

void __attribute__((noreturn)) sample_fail(const char *what, const struct err *err);
