/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Both directions go by one table of patterns, in which a letter after '%' is a member:
 *   s scope, g guest, i session, n marker's or part's number, p pack's number, x last byte of the
 *   session's id, t tag, r random, k key's id
 */
#include "repository/format/name.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "base/units.h"

#define PACK_DIGITS 8 /* of a pack's number, hexadecimal */

static const struct {
    enum name_kind kind;
    const char *pattern;
    uint32_t min; /* of its number */
    uint32_t max;
} name_rows[] = {
    {NAME_CONFIG, "config", 0, 0},
    {NAME_RESERVE, "reserve", 0, 0},
    {NAME_KEY, "keys/%s/%k-%r.age", 0, 0},
    {NAME_SESSION, "s/%s/%g/%i", 0, 0},
    {NAME_SLOT, "p/%s/%g/%i", 0, 0},
    {NAME_MARKER, "t/%s/%g/%i.%n", 1, LIMITS_MARKERS},
    {NAME_VERDICT, "t/%s/%g/%i.%n.v", 1, LIMITS_MARKERS},
    {NAME_HOLD, "h/%s/%g/%i/hold", 0, 0},
    {NAME_TAG, "h/%s/%g/%i/tag-%t", 0, 0},
    {NAME_COLLECTION, "c/%s/%r", 0, 0},
    {NAME_PACK, "d/%s/%x/%i-%p", 0, LIMITS_PACK_NUMBER - 1},
    {NAME_BAD_PACK, "v/%s/bad/%i-%p", 0, LIMITS_PACK_NUMBER - 1},
    {NAME_VERIFIED, "v/%s/ok/%g/%i-%r", 0, 0},
    {NAME_SET_ASIDE, "x/%s/%g/%i", 0, 0},
    {NAME_RESULT, "r/%s/%g/%i-%r", 0, 0},
    {NAME_PART, "tmp/%s/%g/%i-%n", 0, UINT32_MAX},
    {NAME_LONE_PART, "tmp/%r", 0, 0},
};
#define NAME_ROW_COUNT (sizeof(name_rows) / sizeof(name_rows[0]))

static const char scope_bytes[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
static const char tag_bytes[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
static const char hex_bytes[] = "0123456789abcdef";

bool name_is_scope(const char *text)
{
    size_t len = strspn(text, scope_bytes);

    return len >= 1 && len <= LIMITS_SCOPE && text[len] == '\0';
}

bool name_is_tag(const char *text)
{
    size_t len = strspn(text, tag_bytes);

    return len >= 1 && len <= LIMITS_TAG && text[len] == '\0';
}

/* ---- to text --------------------------------------------------------------------------------- */

static void put_member(const struct name *name, char member, struct buf *text)
{
    char id[ID_TEXT_SIZE];

    switch (member) {
    case 's':
        buf_append_str(text, name->scope);
        break;
    case 'g':
        buf_append_str(text, id_text(&name->guest, id));
        break;
    case 'i':
        buf_append_str(text, id_text(&name->session, id));
        break;
    case 'x':
        buf_printf(text, "%02x", name->session.bytes[ID_SIZE - 1]);
        break;
    case 'n':
        buf_printf(text, "%" PRIu32, name->number);
        break;
    case 'p':
        buf_printf(text, "%08" PRIx32, name->number);
        break;
    case 't':
        buf_append_str(text, name->tag);
        break;
    case 'k':
        buf_append_str(text, name->key);
        break;
    default:
        buf_append_str(text, name->random);
        break;
    }
}

char *name_format(const struct name *name)
{
    CLEANUP_BUF struct buf text = {0};
    size_t row = 0;

    while (name_rows[row].kind != name->kind)
        row++;
    for (const char *p = name_rows[row].pattern; *p; p++) {
        if (*p == '%')
            put_member(name, *++p, &text);
        else
            buf_append(&text, p, 1);
    }
    return buf_take_str(&text);
}

/* ---- from text ------------------------------------------------------------------------------- */

/* Takes 1 to max of these bytes. */
static bool take_bytes(const char **text, const char *bytes, size_t max, char *ret)
{
    size_t len = strspn(*text, bytes);

    if (len < 1 || len > max)
        return false;
    memcpy(ret, *text, len);
    ret[len] = '\0';
    *text += len;
    return true;
}

static bool take_random(const char **text, char ret[static NAME_RANDOM_SIZE])
{
    return take_bytes(text, hex_bytes, NAME_RANDOM_SIZE - 1, ret) &&
           strlen(ret) == NAME_RANDOM_SIZE - 1;
}

static bool take_id(const char **text, struct id *ret)
{
    if (!id_parse(*text, ret))
        return false;
    *text += ID_TEXT_SIZE - 1;
    return true;
}

static bool take_decimal(const char **text, uint32_t *ret)
{
    char digits[11];
    uint64_t number = 0;

    if (!take_bytes(text, "0123456789", sizeof(digits) - 1, digits) ||
        (digits[0] == '0' && digits[1] != '\0') ||
        units_parse_number(digits, 0, UINT32_MAX, &number, NULL) < 0)
        return false;
    *ret = (uint32_t)number;
    return true;
}

static bool take_hex(const char **text, size_t digits, uint32_t *ret)
{
    uint32_t number = 0;

    for (size_t i = 0; i < digits; i++) {
        const char *digit = **text ? strchr(hex_bytes, **text) : NULL;
        if (!digit)
            return false;
        number = number << 4 | (uint32_t)(digit - hex_bytes);
        ++*text;
    }
    *ret = number;
    return true;
}

static bool take_member(const char **text, char member, struct name *name, uint32_t *last_byte)
{
    switch (member) {
    case 's':
        return take_bytes(text, scope_bytes, LIMITS_SCOPE, name->scope);
    case 'g':
        return take_id(text, &name->guest);
    case 'i':
        return take_id(text, &name->session);
    case 'x':
        return take_hex(text, 2, last_byte);
    case 'n':
        return take_decimal(text, &name->number);
    case 'p':
        return take_hex(text, PACK_DIGITS, &name->number);
    case 't':
        return take_bytes(text, tag_bytes, LIMITS_TAG, name->tag);
    case 'k':
        return take_random(text, name->key);
    default:
        return take_random(text, name->random);
    }
}

/* Takes as much of the text as the pattern has. Returns where in the pattern that ended. */
static const char *match_pattern(const char **text, const char *pattern, struct name *name,
                                 uint32_t *last_byte)
{
    for (; *pattern; pattern++) {
        if (*pattern == '%' ? !take_member(text, pattern[1], name, last_byte) : **text != *pattern)
            break;
        if (*pattern == '%')
            pattern++;
        else
            ++*text;
    }
    return pattern;
}

static bool matches(const char *text, size_t row, struct name *ret)
{
    struct name name = {.kind = name_rows[row].kind};
    uint32_t last_byte = UINT32_MAX;

    if (*match_pattern(&text, name_rows[row].pattern, &name, &last_byte) != '\0' || *text != '\0' ||
        name.number < name_rows[row].min ||
        (name_rows[row].max > 0 && name.number > name_rows[row].max) ||
        (last_byte != UINT32_MAX && last_byte != name.session.bytes[ID_SIZE - 1]))
        return false;
    *ret = name;
    return true;
}

bool name_parse(const char *text, struct name *ret)
{
    for (size_t row = 0; row < NAME_ROW_COUNT; row++)
        if (matches(text, row, ret))
            return true;
    return false;
}

bool name_is_folder(const char *text)
{
    for (size_t row = 0; row < NAME_ROW_COUNT; row++) {
        struct name name;
        uint32_t last_byte = UINT32_MAX;
        const char *end = text;
        if (*match_pattern(&end, name_rows[row].pattern, &name, &last_byte) == '/' && *end == '\0')
            return true;
    }
    return false;
}
