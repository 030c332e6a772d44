/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What every implementation of store/store.h must do, as tests.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/store.h"

struct store_suite {
    const char *name;
    /* The url of a new, empty store in which "d/one", "p/one" and "tmp" exist; remove ends it, and
     * frees the url. */
    char *(*make)(void);
    int (*open)(const char *url, struct store **ret, struct err *err); /* NULL: store_open */
    void (*remove)(char *url);
    /* The url by which another host reaches that store; the caller frees. NULL: the same. */
    char *(*elsewhere)(const char *url);
};

/* Runs the suite's tests, and `more` beside them; returns the status of the program. */
int store_suite_run(const struct store_suite *suite, const struct CMUnitTest *more, size_t count);

/* For tests: what must succeed does. */
enum store_outcome store_suite_create(struct store *store, const char *name, const char *text);
/* The names that are listed, one after the other with a blank before each. The caller frees. */
char *store_suite_names(struct store *store, const char *prefix);
/* The whole object as text, which the caller frees. */
char *store_suite_text(struct store *store, const char *name);
