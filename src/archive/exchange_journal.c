/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The journal's text, one line per step; each name is last on its line:
 *   virt-backup exchange 1
 *   domain NAME
 *   file SIZE TEMPORARY NAME        (any number)
 *   manifest SHA256 TEMPORARY NAME
 *   remove NAME                     (any number)
 *   sha256 HEX                      (of all lines above)
 * For a removal, the lines "file" and "manifest" are replaced by:
 *   remove-manifest SHA256 NAME
 */
#include <string.h>

#include "archive/exchange.h"
#include "archive/names.h"
#include "base/digest.h"
#include "base/io.h"
#include "base/units.h"

static const char title[] = "virt-backup exchange 1";
static const char sum_label[] = "sha256 ";

void exchange_add_file(struct exchange *exchange, const char *from, const char *to, uint64_t size)
{
    exchange->files =
        mem_resize(exchange->files, exchange->file_count + 1, sizeof(*exchange->files));
    exchange->files[exchange->file_count++] = (struct exchange_file){
        .from = mem_strdup(from),
        .to = mem_strdup(to),
        .size = size,
    };
}

void exchange_add_removal(struct exchange *exchange, const char *name)
{
    exchange->removals =
        mem_resize(exchange->removals, exchange->removal_count + 1, sizeof(*exchange->removals));
    exchange->removals[exchange->removal_count++] = mem_strdup(name);
}

void exchange_clear(struct exchange *exchange)
{
    for (size_t i = 0; i < exchange->file_count; i++) {
        free(exchange->files[i].from);
        free(exchange->files[i].to);
    }
    for (size_t i = 0; i < exchange->removal_count; i++)
        free(exchange->removals[i]);
    free(exchange->removals);
    free(exchange->files);
    free(exchange->journal);
    free(exchange->domain);
    free(exchange->manifest_from);
    *exchange = (struct exchange){0};
}

int exchange_format(const struct exchange *exchange, struct buf *ret, struct err *err)
{
    CLEANUP_FREE char *manifest = archive_manifest_name(exchange->domain, err);
    uint8_t sha256[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];

    if (!manifest)
        return -1;
    buf_printf(ret, "%s\ndomain %s\n", title, exchange->domain);
    for (size_t i = 0; i < exchange->file_count; i++)
        buf_printf(ret, "file %llu %s %s\n", (unsigned long long)exchange->files[i].size,
                   exchange->files[i].from, exchange->files[i].to);
    if (exchange->manifest_from)
        buf_printf(ret, "manifest %s %s %s\n", exchange->manifest_sha256, exchange->manifest_from,
                   manifest);
    else
        buf_printf(ret, "remove-manifest %s %s\n", exchange->manifest_sha256, manifest);
    for (size_t i = 0; i < exchange->removal_count; i++)
        buf_printf(ret, "remove %s\n", exchange->removals[i]);
    digest_of(ret->data, ret->len, sha256);
    digest_to_hex(sha256, hex);
    buf_printf(ret, "%s%s\n", sum_label, hex);
    if (ret->len > EXCHANGE_JOURNAL_MAX)
        return err_set(err, ERR_UNSUPPORTED, "the backup has too many files");
    return 0;
}

/* ---- reading ----------------------------------------------------------------- */

static int set_damaged(struct err *err)
{
    return err_set(err, ERR_CORRUPT, "is damaged");
}

/* Removes the checksum from a copy of the journal, leaving what it covers. */
static char *covered_text(const char *text, size_t len)
{
    const size_t sum_len = strlen(sum_label) + DIGEST_HEX_SIZE; /* digits and the newline */
    uint8_t sha256[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];

    if (len < sum_len || memchr(text, '\0', len) || text[len - 1] != '\n')
        return NULL;
    const char *sum = text + len - sum_len;
    digest_of(text, len - sum_len, sha256);
    digest_to_hex(sha256, hex);
    if (memcmp(sum, sum_label, strlen(sum_label)) != 0 ||
        memcmp(sum + strlen(sum_label), hex, DIGEST_HEX_SIZE - 1) != 0)
        return NULL;
    return mem_strndup(text, len - sum_len);
}

/* Cuts the first line off *text if it begins with `label`, and returns the rest of that line.
 * Otherwise NULL, and *text is not changed. */
static char *take_line(char **text, const char *label)
{
    char *line = *text;
    char *end = strchr(line, '\n');

    if (!end || strncmp(line, label, strlen(label)) != 0)
        return NULL;
    *end = '\0';
    *text = end + 1;
    return line + strlen(label);
}

/* Cuts the first word off *line. NULL if no space follows it. */
static char *take_word(char **line)
{
    char *word = *line;
    char *blank = strchr(word, ' ');

    if (!blank)
        return NULL;
    *blank = '\0';
    *line = blank + 1;
    return word;
}

static bool is_part(const char *name)
{
    return name && archive_own_kind(name, NULL) == ARCHIVE_OWN_PART;
}

static int parse_file(char *line, struct exchange *exchange, struct err *err)
{
    const char *number = take_word(&line);
    const char *from = number ? take_word(&line) : NULL;
    uint64_t size = 0;

    if (!is_part(from) || units_parse_number(number, 0, INT64_MAX, &size, NULL) < 0 ||
        archive_check_owned_name(exchange->domain, line, NULL) < 0)
        return set_damaged(err);
    for (size_t i = 0; i < exchange->file_count; i++)
        if (strcmp(exchange->files[i].to, line) == 0 || strcmp(exchange->files[i].from, from) == 0)
            return set_damaged(err);
    exchange_add_file(exchange, from, line, size);
    return 0;
}

static int parse_manifest(char *line, struct exchange *exchange, struct err *err)
{
    CLEANUP_FREE char *name = archive_manifest_name(exchange->domain, NULL);
    const char *hex = line ? take_word(&line) : NULL;
    const char *from = hex ? take_word(&line) : NULL;
    uint8_t sha256[DIGEST_SIZE];

    if (!is_part(from) || !digest_from_hex(hex, sha256) || !name || strcmp(line, name) != 0)
        return set_damaged(err);
    for (size_t i = 0; i < exchange->file_count; i++)
        if (strcmp(exchange->files[i].from, from) == 0)
            return set_damaged(err);
    exchange->manifest_from = mem_strdup(from);
    digest_to_hex(sha256, exchange->manifest_sha256);
    return 0;
}

/* For a removal, which has no new files. */
static int parse_removed_manifest(char *line, struct exchange *exchange, struct err *err)
{
    CLEANUP_FREE char *name = archive_manifest_name(exchange->domain, NULL);
    const char *hex = line ? take_word(&line) : NULL;
    uint8_t sha256[DIGEST_SIZE];

    if (exchange->file_count > 0 || !hex || !digest_from_hex(hex, sha256) || !name ||
        strcmp(line, name) != 0)
        return set_damaged(err);
    digest_to_hex(sha256, exchange->manifest_sha256);
    return 0;
}

static int parse_removal(const char *line, struct exchange *exchange, struct err *err)
{
    if (archive_check_owned_name(exchange->domain, line, NULL) < 0)
        return set_damaged(err);
    for (size_t i = 0; i < exchange->file_count; i++)
        if (strcmp(exchange->files[i].to, line) == 0)
            return set_damaged(err);
    exchange_add_removal(exchange, line);
    return 0;
}

/* Accept only the spelling that we write. */
static int check_form(const struct exchange *exchange, const char *text, size_t len,
                      struct err *err)
{
    CLEANUP_BUF struct buf again = {0};

    if (exchange_format(exchange, &again, NULL) < 0 || again.len != len ||
        memcmp(again.data, text, len) != 0)
        return set_damaged(err);
    return 0;
}

int exchange_parse(const char *text, size_t len, struct exchange *ret, struct err *err)
{
    CLEANUP_EXCHANGE struct exchange exchange = {0};
    CLEANUP_FREE char *covered = covered_text(text, len);
    char *rest = covered;
    char *line = NULL;

    const char *behind_title = covered ? take_line(&rest, title) : NULL;
    if (!behind_title || *behind_title || !(line = take_line(&rest, "domain ")))
        return set_damaged(err);
    exchange.domain = mem_strdup(line);
    while ((line = take_line(&rest, "file ")))
        if (parse_file(line, &exchange, err) < 0)
            return -1;
    int parsed = (line = take_line(&rest, "remove-manifest "))
                     ? parse_removed_manifest(line, &exchange, err)
                     : parse_manifest(take_line(&rest, "manifest "), &exchange, err);
    if (parsed < 0)
        return -1;
    while ((line = take_line(&rest, "remove ")))
        if (parse_removal(line, &exchange, err) < 0)
            return -1;
    if (*rest != '\0')
        return set_damaged(err);
    if (check_form(&exchange, text, len, err) < 0)
        return -1;
    *ret = exchange;
    exchange = (struct exchange){0};
    return 0;
}

/* ---- journals in a folder -------------------------------------------------------- */

/* The name of the journal is derived from the guest's name. */
static bool is_named_after(const struct exchange *exchange, const char *journal)
{
    char wanted[ARCHIVE_KEY_SIZE];
    char key[ARCHIVE_KEY_SIZE] = "";

    archive_guest_key(exchange->domain, wanted);
    (void)archive_own_kind(journal, key);
    return strcmp(journal, ARCHIVE_FORMER_JOURNAL) == 0 || strcmp(key, wanted) == 0;
}

int exchange_load(const struct folder *folder, const char *journal, struct exchange *ret,
                  bool *ret_there, struct err *err)
{
    CLEANUP_EXCHANGE struct exchange exchange = {0};
    CLEANUP_ERR struct err why = ERR_INIT;
    CLEANUP_FREE char *text = NULL;
    size_t len = 0;

    *ret_there = false;
    if (io_read_file(folder->fd, journal, EXCHANGE_JOURNAL_MAX, &text, &len, &why) < 0) {
        if (why.kind == ERR_NOT_FOUND)
            return 0;
        err_move(err, &why);
        return folder_prefix(folder, journal, err);
    }
    if (exchange_parse(text, len, &exchange, err) < 0)
        return folder_prefix(folder, journal, err);
    if (!is_named_after(&exchange, journal)) {
        set_damaged(err);
        return folder_prefix(folder, journal, err);
    }
    exchange.journal = mem_strdup(journal);
    *ret = exchange;
    exchange = (struct exchange){0};
    *ret_there = true;
    return 0;
}

int exchange_find(const struct folder *folder, const char *domain, struct exchange *ret,
                  bool *ret_there, struct err *err)
{
    char key[ARCHIVE_KEY_SIZE];

    archive_guest_key(domain, key);
    CLEANUP_FREE char *journal = archive_journal_name(key);
    if (exchange_load(folder, journal, ret, ret_there, err) < 0)
        return -1;
    if (*ret_there)
        return 0;
    if (exchange_load(folder, ARCHIVE_FORMER_JOURNAL, ret, ret_there, NULL) == 0 && *ret_there &&
        strcmp(ret->domain, domain) != 0) {
        exchange_clear(ret);
        *ret_there = false;
    }
    return 0;
}

const char *exchange_source(const struct exchange *exchange, const char *name)
{
    for (size_t i = 0; i < exchange->file_count; i++)
        if (strcmp(exchange->files[i].to, name) == 0)
            return exchange->files[i].from;
    return NULL;
}

bool exchange_mentions(const struct exchange *exchange, const char *name)
{
    for (size_t i = 0; i < exchange->removal_count; i++)
        if (strcmp(exchange->removals[i], name) == 0)
            return true;
    return exchange_source(exchange, name) != NULL;
}
