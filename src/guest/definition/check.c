/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/definition/check.h"

#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "guest/definition/rows.h"

/* For a name or value in a finding: enough to recognise it. */
#define SHOWN_NAME 64
#define SHOWN_VALUE 256
#define SHOWN_TEXT ((size_t)1024)

struct definition_check {
    const struct definition_host *host;
    struct definition_findings *findings;
    struct xml_node *node;
    const struct definition_row *row;
    const char *path; /* of node */
};

/* ---- findings ------------------------------------------------------------------------- */

static void add_finding(struct definition_findings *findings, const char *text, bool disk)
{
    CLEANUP_FREE char *cut = mem_strndup(text, strnlen(text, SHOWN_TEXT));

    if (findings->count >= DEFINITION_MAX_FINDINGS)
        return;
    for (size_t i = 0; i < findings->count; i++)
        if (strcmp(findings->all[i].text, cut) == 0)
            return;
    findings->all = mem_resize(findings->all, findings->count + 1, sizeof(*findings->all));
    findings->all[findings->count++] = (struct definition_finding){TAKE_PTR(cut), disk};
}

void definition_findings_add(struct definition_findings *findings, const char *text)
{
    add_finding(findings, text, false);
}

void definition_findings_keep_disks(struct definition_findings *findings)
{
    size_t kept = 0;

    for (size_t i = 0; i < findings->count; i++) {
        if (findings->all[i].disk)
            findings->all[kept++] = findings->all[i];
        else
            free(findings->all[i].text);
    }
    findings->count = kept;
}

void definition_findings_clear(struct definition_findings *findings)
{
    for (size_t i = 0; i < findings->count; i++)
        free(findings->all[i].text);
    free(findings->all);
    *findings = (struct definition_findings){0};
}

static bool is_full(const struct definition_check *check)
{
    return check->findings->count >= DEFINITION_MAX_FINDINGS;
}

static const char *shown_path(const struct definition_check *check)
{
    return *check->path ? check->path : "domain";
}

static bool is_disk_source(const struct definition_check *check)
{
    return text_begins(check->path, "devices/disk/source");
}

static void add_element(const struct definition_check *check, const char *why)
{
    CLEANUP_FREE char *text = mem_printf("%s%s", shown_path(check), why);

    add_finding(check->findings, text, is_disk_source(check));
}

/* attr NULL: the element's text. */
static void add_value(const struct definition_check *check, const char *attr, const char *value)
{
    CLEANUP_FREE char *text = attr ? mem_printf("%s: %.*s='%.*s'", shown_path(check), SHOWN_NAME,
                                                attr, SHOWN_VALUE, value)
                                   : mem_printf("%s: %.*s", shown_path(check), SHOWN_VALUE, value);

    add_finding(check->findings, text, is_disk_source(check));
}

/* ---- the language of the tables ---------------------------------------------------------- */

/* True if text[0..len) is one of the names in list[0..list_len), separated by '|'. */
static bool is_listed(const char *list, size_t list_len, const char *text, size_t len)
{
    const char *end = list + list_len;

    for (const char *at = list; at <= end;) {
        const char *bar = memchr(at, '|', (size_t)(end - at));
        size_t part = (size_t)((bar ? bar : end) - at);
        if (part == len && memcmp(at, text, len) == 0)
            return true;
        at += part + 1;
    }
    return false;
}

static bool path_matches(const char *pattern, const char *path)
{
    for (;;) {
        size_t pattern_len = strcspn(pattern, "/");
        size_t len = strcspn(path, "/");
        bool any = pattern_len == 1 && *pattern == '*';
        if (!any && !is_listed(pattern, pattern_len, path, len))
            return false;
        if (!pattern[pattern_len] || !path[len])
            return pattern[pattern_len] == path[len];
        pattern += pattern_len + 1;
        path += len + 1;
    }
}

static const struct definition_row *find_definition_row(const char *path)
{
    const struct definition_row *const tables[] = {definition_rows_machine,
                                                   definition_rows_devices};

    for (size_t t = 0; t < 2; t++)
        for (const struct definition_row *row = tables[t]; row->path; row++)
            if (path_matches(row->path, path))
                return row;
    return NULL;
}

/* spec[0..len): "" any value, "=a|b", ":check". */
static bool value_fits(const struct definition_check *check, const char *spec, size_t len,
                       const char *value)
{
    if (len == 0)
        return true;
    if (*spec == '=')
        return is_listed(spec + 1, len - 1, value, strlen(value));
    CLEANUP_FREE char *name = mem_strndup(spec + 1, len - 1);
    return definition_value_check(name, check->host, check->node, value);
}

static bool check_attr(void *opaque, const char *name, const char *value)
{
    const struct definition_check *check = opaque;
    size_t name_len = strlen(name);

    for (const char *at = check->row->attrs; *at;) {
        size_t len = strcspn(at, " ");
        size_t own = strcspn(at, " =:");
        if (own == name_len && memcmp(at, name, own) == 0) {
            if (!value_fits(check, at + own, len - own, value))
                add_value(check, name, value);
            return !is_full(check);
        }
        at += len + (at[len] == ' ');
    }
    add_value(check, name, value);
    return !is_full(check);
}

static void check_text(const struct definition_check *check)
{
    if (!check->row->text || xml_first(check->node)) /* then its text is that of its children */
        return;
    CLEANUP_FREE char *text = xml_text(check->node);
    char *start = text + strspn(text, " \t\r\n");
    size_t len = strlen(start);

    while (len > 0 && strchr(" \t\r\n", start[len - 1]))
        len--;
    start[len] = '\0';
    if (!value_fits(check, check->row->text, strlen(check->row->text), start))
        add_value(check, NULL, start);
}

/* ---- the walk ------------------------------------------------------------------------------- */

#define QEMU_NS "http://libvirt.org/schemas/domain/qemu/1.0"

/* The capability that backups needed with older versions of libvirt: it opens nothing. */
static bool is_backup_capability(struct xml_node *node)
{
    struct xml_node *first = xml_first(node);

    if (!xml_is(node, QEMU_NS, "capabilities") || !first)
        return false;
    for (struct xml_node *child = first; child; child = xml_next(child)) {
        const char *name = xml_attr(child, "capability");
        if (!(xml_is(child, QEMU_NS, "add") || xml_is(child, QEMU_NS, "del")) || !name ||
            strcmp(name, "incremental-backup") != 0 || xml_first(child))
            return false;
    }
    return true;
}

#define XINCLUDE_NS "http://www.w3.org/2001/XInclude"

/* libvirt keeps metadata for whoever wrote it, and starts nothing because of it. But whoever reads
 * it with XInclude switched on would read a file that the archive names. The parser bounds the
 * depth. */
static void check_metadata(struct definition_check *check, struct xml_node *node)
{
    for (struct xml_node *child = xml_first(node); child && !is_full(check);
         child = xml_next(child)) {
        const char *ns = xml_ns(child);
        if (ns && strcmp(ns, XINCLUDE_NS) == 0) {
            struct definition_check inner = *check;
            CLEANUP_FREE char *path = mem_printf("metadata/%.*s", SHOWN_NAME, xml_name(child));
            inner.path = path;
            add_element(&inner, " of '" XINCLUDE_NS "'");
            continue;
        }
        check_metadata(check, child);
    }
}

/* Checks one element; true if its contents must be checked too. */
static bool check_element(struct definition_check *check)
{
    struct xml_node *node = check->node;
    const char *ns = xml_ns(node);

    if (ns && is_backup_capability(node))
        return false;
    if (ns) {
        CLEANUP_FREE char *why = mem_printf(" of '%.*s'", SHOWN_VALUE, ns);
        add_element(check, why);
        return false;
    }
    check->row = find_definition_row(check->path);
    if (!check->row) {
        add_element(check, "");
        return false;
    }
    if (check->row->once && xml_parent(node) &&
        xml_child(xml_parent(node), NULL, xml_name(node)) != node)
        add_element(check, " appears twice");
    xml_each_attr(node, check_attr, check);
    check_text(check);
    if (strcmp(check->path, "metadata") != 0)
        return true;
    check_metadata(check, node);
    return false;
}

/* Only elements in a table are entered, so the recursion is no deeper than the paths in the
 * tables. */
static void walk_elements(const struct definition_check *parent, struct xml_node *node)
{
    const char *slash = *parent->path ? "/" : "";

    for (struct xml_node *child = xml_first(node); child && !is_full(parent);
         child = xml_next(child)) {
        CLEANUP_FREE char *path =
            mem_printf("%s%s%.*s", parent->path, slash, SHOWN_NAME, xml_name(child));
        struct definition_check check = *parent;
        check.node = child;
        check.path = path;
        if (check_element(&check))
            walk_elements(&check, child);
    }
}

void definition_check(const struct xml_doc *domain, const struct definition_host *host,
                      struct definition_findings *findings)
{
    struct definition_check check = {
        .host = host,
        .findings = findings,
        .node = xml_root(domain),
        .path = "",
    };

    if (check_element(&check))
        walk_elements(&check, check.node);
}

/* ---- cookies ---------------------------------------------------------------------------------- */

static bool note_attr(void *opaque, const char *name, const char *value)
{
    (void)name;
    (void)value;
    *(bool *)opaque = true;
    return false;
}

static bool has_attrs(struct xml_node *node)
{
    bool found = false;

    xml_each_attr(node, note_attr, &found);
    return found;
}

static bool is_bare(struct xml_node *node)
{
    CLEANUP_FREE char *text = xml_text(node);

    return !xml_first(node) && !has_attrs(node) && text[strspn(text, " \t\r\n")] == '\0';
}

static void check_in_cookie(struct xml_node *node, struct definition_findings *findings)
{
    const struct definition_host nobody = {0};
    struct definition_check check = {.host = &nobody, .findings = findings, .node = node};

    if (xml_is(node, NULL, "slirpHelper") && is_bare(node))
        return;
    if (!xml_is(node, NULL, "cpu")) {
        CLEANUP_FREE char *name = mem_printf("%.*s", SHOWN_NAME, xml_name(node));
        definition_findings_add(findings, name);
        return;
    }
    check.path = "cpu";
    if (check_element(&check))
        walk_elements(&check, node);
}

void definition_check_cookie(const struct xml_doc *cookie, struct definition_findings *findings)
{
    struct definition_findings found CLEANUP_FINDINGS = {0};
    struct xml_node *root = xml_root(cookie);

    if (!xml_is(root, NULL, "cookie") || has_attrs(root))
        definition_findings_add(&found, "cookie");
    for (struct xml_node *node = xml_first(root); node; node = xml_next(node))
        check_in_cookie(node, &found);
    for (size_t i = 0; i < found.count; i++) {
        CLEANUP_FREE char *text = mem_printf("memory image's cookie: %s", found.all[i].text);
        definition_findings_add(findings, text);
    }
}
