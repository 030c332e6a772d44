/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/definition/definition.h"

#include <string.h>

#include "base/buf.h"

struct moves {
    const struct definition_move *moves;
    size_t count;
    bool first[256]; /* the bytes that a path can begin with */
};

/* How a path is written in the surrounding text. */
enum writing { AS_IS, COMMAS_DOUBLED, JSON_STRING };

static char *write_path(const char *path, enum writing writing)
{
    struct buf text CLEANUP_BUF = {0};

    for (const char *c = path; *c; c++) {
        if (writing == COMMAS_DOUBLED && *c == ',')
            buf_append_str(&text, ",");
        if (writing == JSON_STRING && (*c == '"' || *c == '\\'))
            buf_append_str(&text, "\\");
        if (writing == JSON_STRING && (unsigned char)*c < ' ')
            buf_printf(&text, "\\u%04x", (unsigned)*c);
        else
            buf_append(&text, c, 1);
    }
    return buf_take_str(&text);
}

/* The length of the path in its other writing that stands at `at`, with the ends
 * that this writing has; 0 if it does not. */
static size_t length_at(const char *at, const char *path, enum writing writing)
{
    /* Most texts differ in the first bytes, and those are mostly written as they are. */
    for (size_t i = 0; i < 16 && (unsigned char)path[i] >= ' ' && !strchr(",\"\\", path[i]); i++)
        if (at[i] != path[i])
            return 0;
    CLEANUP_FREE char *written = write_path(path, writing);
    size_t len = strlen(written);

    if (strncmp(at, written, len) != 0)
        return 0;
    if (writing == JSON_STRING)
        return at[len] == '"' ? len : 0;
    /* ",," is a comma in a longer path. */
    return at[len] == '\0' || (at[len] == ',' && at[len + 1] != ',') ? len : 0;
}

/* Is `at` where a path may begin, and in which writing? */
static bool path_begins(const char *text, const char *at, enum writing *ret_writing)
{
    static const char prefix[] = "file:";
    size_t len = sizeof(prefix) - 1;

    if (at == text)
        return false;
    *ret_writing = at[-1] == '"' ? JSON_STRING : COMMAS_DOUBLED;
    if (at[-1] == '=' || at[-1] == '"')
        return true;
    return (size_t)(at - text) > len && strncmp(at - len, prefix, len) == 0 &&
           *(at - len - 1) == '=';
}

static const struct definition_move *find_move(const struct moves *moves, const char *at,
                                               enum writing writing, size_t *ret_len)
{
    for (size_t i = 0; i < moves->count; i++) {
        size_t len = length_at(at, moves->moves[i].from, writing);
        if (len > 0) {
            *ret_len = len;
            return &moves->moves[i];
        }
    }
    return NULL;
}

/* The text with the paths in it replaced, or NULL if there are none. */
static char *replace_parts(const struct moves *moves, const char *text)
{
    struct buf changed CLEANUP_BUF = {0};
    const char *copied = text;
    enum writing writing = AS_IS;
    size_t len = 0;

    for (const char *at = text; *at; at++) {
        const struct definition_move *move =
            moves->first[(unsigned char)*at] && path_begins(text, at, &writing)
                ? find_move(moves, at, writing, &len)
                : NULL;
        if (!move)
            continue;
        CLEANUP_FREE char *to = write_path(move->to, writing);
        buf_append(&changed, copied, (size_t)(at - copied));
        buf_append_str(&changed, to);
        copied = at + len;
        at = copied - 1;
    }
    if (copied == text)
        return NULL;
    buf_append_str(&changed, copied);
    return buf_take_str(&changed);
}

static char *replace_text(const struct moves *moves, const char *text)
{
    for (size_t i = 0; i < moves->count && *text; i++)
        if (strcmp(text, moves->moves[i].from) == 0)
            return mem_strdup(moves->moves[i].to);
    return replace_parts(moves, text);
}

struct element {
    const struct moves *moves;
    struct xml_node *node;
};

static bool change_attr(void *opaque, const char *name, const char *value)
{
    struct element *element = opaque;
    CLEANUP_FREE char *changed = replace_text(element->moves, value);

    if (changed)
        xml_set_attr(element->node, name, changed);
    return true;
}

static void change_text(const struct moves *moves, struct xml_node *node)
{
    if (xml_first(node)) /* its text is that of its children */
        return;
    CLEANUP_FREE char *text = xml_text(node);
    size_t before = strspn(text, " \t\r\n");
    size_t len = strlen(text + before);
    while (len > 0 && strchr(" \t\r\n", text[before + len - 1]))
        len--;
    text[before + len] = '\0';
    CLEANUP_FREE char *changed = replace_text(moves, text + before);
    if (changed)
        xml_set_text(node, changed);
}

void definition_replace_paths(struct xml_doc *domain, const struct definition_move *moves,
                              size_t count)
{
    struct moves all = {.moves = moves, .count = count};
    struct element element = {.moves = &all, .node = xml_root(domain)};

    for (size_t i = 0; i < count; i++)
        all.first[(unsigned char)moves[i].from[0]] = true;
    all.first[(unsigned char)'\\'] = true; /* JSON may escape the first byte */
    for (; element.node; element.node = xml_walk(xml_root(domain), element.node)) {
        xml_each_attr(element.node, change_attr, &element);
        change_text(&all, element.node);
    }
}
