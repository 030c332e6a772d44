/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/suggest.h"

#include <string.h>

/* No option of ours is longer than this, so longer words get no suggestion. */
#define MAX_WORD 40

static unsigned least_of_three(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Edit distance with swaps of neighbours; both words are at most MAX_WORD long. rows[i] belongs to
 * the first i letters of a; three rows are kept. */
static unsigned edit_distance(const char *a, const char *b)
{
    unsigned rows[3][MAX_WORD + 1];
    size_t b_len = strlen(b);
    size_t i = 0;

    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = (unsigned)j;
    for (; a[i]; i++) {
        const unsigned *above = rows[i % 3];
        const unsigned *two_above = rows[(i + 2) % 3];
        unsigned *row = rows[(i + 1) % 3];
        row[0] = (unsigned)i + 1;
        for (size_t j = 0; j < b_len; j++) {
            row[j + 1] =
                least_of_three(above[j] + (a[i] != b[j]), least_of_three(above[j + 1], row[j]) + 1);
            if (i && j && a[i] == b[j - 1] && a[i - 1] == b[j])
                row[j + 1] = least_of_three(row[j + 1], two_above[j - 1] + 1);
        }
    }
    return rows[i % 3][b_len];
}

const char *suggest_nearest(const char *word, const char *const *candidates, size_t count)
{
    size_t len = strlen(word);
    const char *nearest = NULL;

    if (len == 0 || len > MAX_WORD)
        return NULL;
    unsigned limit = (unsigned)(len / 3 > 2 ? len / 3 : len > 3 ? 2 : 1);
    for (size_t i = 0; i < count; i++) {
        if (strlen(candidates[i]) > MAX_WORD)
            continue;
        unsigned far = len > 1 && strncmp(candidates[i], word, len) == 0
                           ? 0
                           : edit_distance(word, candidates[i]);
        if (far <= limit && (!nearest || far < limit)) {
            nearest = candidates[i];
            limit = far;
        }
    }
    return nearest;
}
