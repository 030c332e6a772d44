/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the fuzz targets have in common. A target is one file fuzz_NAME.c with
 * LLVMFuzzerTestOneInput; it forks nothing, makes no files, and checks more than that
 * nothing crashes: what was accepted must keep its header's promises.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process, which libFuzzer takes for a finding. */
#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fuzz_broken(__FILE__, __LINE__, #condition);                                           \
    } while (0)
void __attribute__((noreturn)) fuzz_broken(const char *file, int line, const char *condition);

/* A file in memory with these bytes, and holes behind them up to `size` (at least len).
 * Always the same descriptor: good until the next call. */
int fuzz_file(const void *data, size_t len, uint64_t size);

/* Takes numbers off the front of the input; zeros when it has ended. */
struct fuzz_input {
    const uint8_t *p;
    size_t left;
};
uint8_t fuzz_u8(struct fuzz_input *input);
uint32_t fuzz_u32(struct fuzz_input *input);
/* The rest of it as text with a NUL behind it; the caller frees. */
char *fuzz_text(struct fuzz_input *input);
