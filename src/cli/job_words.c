/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/job_words.h"

#include <string.h>

#include "base/buf.h"

#define BLANKS " \t"

/* Reads one word from *at, which is moved behind it. The caller frees. */
static char *take_job_word(const char **at, struct err *err)
{
    CLEANUP_BUF struct buf word = {0};
    char quote = '\0';
    const char *c = *at;

    for (; *c && (quote || !strchr(BLANKS, *c)); c++) {
        if (*c == quote) {
            quote = '\0';
        } else if (!quote && (*c == '"' || *c == '\'')) {
            quote = *c;
        } else if (*c == '\\' && quote != '\'') {
            if (*++c == '\0') {
                err_set(err, ERR_USAGE, "nothing follows the last backslash of '%s'", *at);
                return NULL;
            }
            buf_put_u8(&word, (uint8_t)*c);
        } else {
            buf_put_u8(&word, (uint8_t)*c);
        }
    }
    if (quote) {
        err_set(err, ERR_USAGE, "unclosed quote: %s", *at);
        return NULL;
    }
    *at = c;
    return buf_take_str(&word);
}

int job_words_split(const char *text, struct strings *ret, struct err *err)
{
    const char *at = text;

    while (*(at += strspn(at, BLANKS))) {
        char *word = take_job_word(&at, err);
        if (!word)
            return -1;
        strings_take(ret, word);
    }
    return 0;
}

int job_words_check(const char *text, void *ret_text, struct err *err)
{
    CLEANUP_STRINGS struct strings words = {0};

    if (job_words_split(text, &words, err) < 0)
        return -1;
    if (words.count == 0)
        return err_set(err, ERR_USAGE, "its value is empty");
    if (words.items[0][0] != '/')
        return err_set(err, ERR_USAGE, "'%s' is not the absolute path of a program",
                       words.items[0]);
    *(const char **)ret_text = text;
    return 0;
}
