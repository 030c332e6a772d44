/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Lines are cut, checked and given to libinih here. It makes keys and values of them; of the name of
 * a section it keeps 49 bytes, up to the first ']', so sections are read here, too.
 */
#include "base/ini.h"

#include <stdbool.h>
#include <string.h>

#include <ini.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/utf8.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

struct ini_reading {
    const char *next; /* not read yet */
    const char *end;
    unsigned number; /* of the line that was read last */
    char *section;   /* owned */
    ini_take *take;
    void *opaque;
    struct err err;
};

static char *blanks_cut(const char *start, const char *end)
{
    while (start < end && (*start == ' ' || *start == '\t'))
        start++;
    while (end > start && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
        end--;
    return mem_strndup(start, (size_t)(end - start));
}

static int check_characters(const char *line, struct err *err)
{
    while (*line) {
        uint32_t code = 0;
        size_t len = utf8_decode(line, &code);
        if (len == 0)
            return err_set(err, ERR_USAGE, "its text is not UTF-8; save the file in that encoding");
        if ((code < ' ' && code != '\t') || (code >= 0x7f && code < 0xa0))
            return err_set(err, ERR_USAGE, "it contains the control character U+%04X; remove it",
                           code);
        line += len;
    }
    return 0;
}

/* The next line, without blanks around it. The caller frees. */
static char *take_ini_line(struct ini_reading *reading, struct err *err)
{
    size_t left = (size_t)(reading->end - reading->next);
    const char *newline = memchr(reading->next, '\n', left);
    const char *end = newline ? newline : reading->end;
    const char *start = reading->next;

    reading->number++;
    reading->next = newline ? newline + 1 : end;
    if (memchr(start, '\0', (size_t)(end - start))) {
        err_set(err, ERR_USAGE, "it contains the control character U+0000; remove it");
        return NULL;
    }
    if (end - start > INI_LINE_MAX) {
        err_set(err, ERR_USAGE, "it is longer than %d bytes; shorten it", INI_LINE_MAX);
        return NULL;
    }
    CLEANUP_FREE char *line = blanks_cut(start, end);
    if (check_characters(line, err) < 0)
        return NULL;
    return TAKE_PTR(line);
}

static int begin_section(struct ini_reading *reading, const char *line, struct err *err)
{
    size_t len = strlen(line);

    if (line[len - 1] != ']')
        return err_set(err, ERR_USAGE, "'%s' does not end with ']'", line);
    free(reading->section);
    reading->section = blanks_cut(line + 1, line + len - 1);
    const struct ini_line found = {reading->number, reading->section, NULL, NULL};
    return reading->take(reading->opaque, &found, err);
}

/* What libinih gets of a line: nothing, if it is not a key and its value. */
static int put_ini_line(struct ini_reading *reading, char *ret, size_t size)
{
    CLEANUP_FREE char *line = take_ini_line(reading, &reading->err);

    *ret = '\0';
    if (!line)
        return -1;
    if (*line == '[')
        return begin_section(reading, line, &reading->err);
    if (*line == '\0' || *line == '#' || *line == ';')
        return 0;
    if (line[strcspn(line, "=:")] == '\0')
        return err_set(&reading->err, ERR_USAGE,
                       "'%s' is neither a key with its value, KEY = VALUE, nor a [section]", line);
    snprintf(ret, size, "%s", line);
    return 0;
}

static char *ini_next_line(char *ret, int size, void *stream)
{
    struct ini_reading *reading = stream;

    if (reading->next == reading->end || put_ini_line(reading, ret, (size_t)size) < 0)
        return NULL;
    return ret;
}

static int ini_take_pair(void *user, const char *section, const char *name, const char *value)
{
    struct ini_reading *reading = user;
    const struct ini_line line = {reading->number, reading->section, name, value};

    (void)section;
    if (*name == '\0')
        err_set(&reading->err, ERR_USAGE, "there is no key before the equals sign");
    else
        reading->take(reading->opaque, &line, &reading->err);
    return reading->err.text == NULL;
}

/* libinih has its settings in variables. */
static void set_up_library(void)
{
    ini_allow_multiline = false;
    ini_allow_inline_comments = false;
    ini_allow_no_value = false;
    ini_stop_on_first_error = true;
    ini_use_stack = false;
    ini_allow_realloc = false;
    ini_max_line = ini_initial_alloc = INI_LINE_MAX + 3;
}

int ini_read(const char *text, size_t len, ini_take *take, void *opaque, struct err *err)
{
    struct ini_reading reading = {
        .next = text, .end = text + len, .take = take, .opaque = opaque, .err = ERR_INIT};

    if (len >= strlen(BYTE_ORDER_MARK) &&
        memcmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
        reading.next += strlen(BYTE_ORDER_MARK);
    set_up_library();
    int status = ini_parse_stream(ini_next_line, &reading, ini_take_pair, &reading);
    free(reading.section);
    if (reading.err.text) {
        err_prefix(&reading.err, "line %u", reading.number);
        return err_move(err, &reading.err);
    }
    return status ? err_set(err, ERR_INTERNAL, "line %u: libinih cannot read it", reading.number)
                  : 0;
}
