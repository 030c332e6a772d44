/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the tests of this folder share: a temporary folder, foreign programs,
 * seeded images, loop devices, helpers in forked processes.
 */
#pragma once

#include <stdarg.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "disk/image.h"

/* ---- the folder: made and removed by the group's setup and teardown ---------- */

int support_setup(void **state);
int support_teardown(void **state);
/* A path in the folder; lives until the 16th call after it. */
const char *at(const char *name);
const char *at_n(const char *name, unsigned number);

/* Skips the test, with a reason, unless ... */
void need_root(void);
void need_program(const char *name);
void skip_because(const char *reason);

/* ---- programs ----------------------------------------------------------------- */

/* Runs a program to its end; the test fails if it does. The list ends with NULL. */
void run(const char *program, ...) __attribute__((sentinel));
/* Its output instead; the caller frees. */
char *run_output(const char *program, ...) __attribute__((sentinel));
/* The error with which it fails; the test fails if it does not. The caller frees. */
char *run_failing(const char *program, ...) __attribute__((sentinel));

/* Runs check in a forked process; true if it returns true. It must not use cmocka's
 * assertions, which leave by longjmp. */
bool in_child(bool (*check)(void *opaque), void *opaque);

/* A process that writes to an image, and so has it locked, until it is ended. */
struct qemu_writer {
    int pid;
    int in_fd;
};
struct qemu_writer qemu_writer_start(const char *path, const char *format);
void qemu_writer_stop(struct qemu_writer *writer);

/* The only child process of this one, 0 if there is none. */
int only_child(void);

/* ---- images ------------------------------------------------------------------- */

/* Random data, holes and written zeros in pieces of 4 KiB to 256 KiB. */
struct image {
    uint8_t *data;
    uint64_t size;
    char path[256]; /* the same bytes, as a sparse raw file */
};

uint64_t seed_start(void); /* printed; from the environment's TEST_SEED if it is there */
uint64_t random_next(void);
uint64_t random_below(uint64_t limit);
struct image image_make(const char *name, uint64_t size);
void image_free(struct image *image);

/* A creation option as an initializer, and the value of a recorded one ("none"). */
/* clang-format off */
#define OPTION(name, value) {(char *)(uintptr_t)(name), (char *)(uintptr_t)(value)}
/* clang-format on */
const char *option_of(const struct disk_info *info, const char *name);

/* ---- loop devices -------------------------------------------------------------- */

/* Attached to an existing file; the teardown detaches what is left. */
const char *loop_attach(const char *file);
void loop_detach(const char *device);
/* A loop device of DEVICE_SIZE bytes, all of them 0xaa. */
#define DEVICE_SIZE (UINT64_C(8) * 1024 * 1024)
const char *old_device(unsigned number);

/* ---- errors -------------------------------------------------------------------- */

/* The error is of this kind and its text holds `part`; clears it. */
void assert_err(struct err *err, enum err_kind kind, const char *part);
/* Fails with the error's text unless result is 0. */
#define assert_ok(result, err)                                                                     \
    do {                                                                                           \
        if ((result) != 0)                                                                         \
            fail_msg("%s: %s", #result, (err)->text);                                              \
    } while (0)
