/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtcp/sizing_host.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/units.h"

/* All files read here are a few lines or, for memory.stat, a few KiB long. */
#define FILE_MAX ((size_t)64 << 10)

/* v1 writes "no limit" as the largest number of pages. */
#define NO_LIMIT (UINT64_C(1) << 62)

struct tree {
    const char *controller; /* in /proc/self/cgroup; "" for v2 */
    const char *mount;
    const char *limits[2];
    const char *usage;
    const char *cache[2]; /* fields of memory.stat */
};

static const struct tree memory_trees[] = {
    {"",
     "/sys/fs/cgroup",
     {"memory.max", "memory.high"},
     "memory.current",
     {"inactive_file", "active_file"}},
    {"memory",
     "/sys/fs/cgroup/memory",
     {"memory.limit_in_bytes", NULL},
     "memory.usage_in_bytes",
     {"total_inactive_file", "total_active_file"}},
};

/* ---- parsers --------------------------------------------------------------- */

/* A whole number at the start of text; false if it is missing or too large. */
static bool leading_number(const char *text, uint64_t *ret, const char **ret_end)
{
    uint64_t value = 0;

    if (!isdigit((unsigned char)*text))
        return false;
    for (; isdigit((unsigned char)*text); text++) {
        if (!units_mul(value, 10, &value) || !units_add(value, (uint64_t)(*text - '0'), &value))
            return false;
    }
    *ret = value;
    *ret_end = text;
    return true;
}

bool sizing_host_field(const char *text, const char *name, uint64_t *ret)
{
    size_t len = strlen(name);
    const char *line = text;

    while (line) {
        if (strncmp(line, name, len) == 0 && (line[len] == ':' || line[len] == ' ')) {
            const char *number = line + len + strspn(line + len, ": \t");
            uint64_t value;
            if (!leading_number(number, &value, &number))
                return false;
            if (strncmp(number, " kB", 3) == 0 && !units_mul(value, KIB, &value))
                return false;
            *ret = value;
            return true;
        }
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    return false;
}

/* Is controller one of the names in [list, list+len), separated by commas? */
static bool is_controller_in_list(const char *list, size_t len, const char *controller)
{
    size_t name_len = strlen(controller);

    if (len == 0 || name_len == 0)
        return len == name_len;
    for (size_t start = 0; start < len;) {
        size_t end = start;
        while (end < len && list[end] != ',')
            end++;
        if (end - start == name_len && strncmp(list + start, controller, name_len) == 0)
            return true;
        start = end + 1;
    }
    return false;
}

char *sizing_host_group(const char *text, const char *controller)
{
    const char *line = text;

    while (line && *line) { /* "4:cpu,cpuacct:/path" */
        size_t line_len = strcspn(line, "\n");
        const char *list = memchr(line, ':', line_len);
        const char *path =
            list ? memchr(list + 1, ':', line_len - (size_t)(list + 1 - line)) : NULL;
        if (path && is_controller_in_list(list + 1, (size_t)(path - list - 1), controller)) {
            CLEANUP_FREE char *group = mem_strndup(path + 1, line_len - (size_t)(path + 1 - line));
            /* seen from another namespace: groups above our root cannot be read */
            if (group[0] != '/' || strstr(group, "/.."))
                return mem_strdup("/");
            return TAKE_PTR(group);
        }
        line = line[line_len] ? line + line_len + 1 : NULL;
    }
    return NULL;
}

uint64_t sizing_host_limit(const char *text)
{
    uint64_t value;
    const char *end;

    if (!leading_number(text, &value, &end) || value >= NO_LIMIT)
        return UINT64_MAX;
    return value;
}

static unsigned cpus_of_quota(uint64_t quota, uint64_t period)
{
    uint64_t cpus = quota > 0 && period > 0 ? units_div_up(quota, period) : UINT_MAX;

    return cpus < UINT_MAX ? (unsigned)cpus : UINT_MAX;
}

unsigned sizing_host_cpu_max(const char *text)
{
    uint64_t quota, period;
    const char *end;

    if (!leading_number(text, &quota, &end) || *end != ' ' ||
        !leading_number(end + 1, &period, &end))
        return UINT_MAX;
    return cpus_of_quota(quota, period);
}

/* ---- files ----------------------------------------------------------------- */

/* The text of root + directory + group + "/" + name; NULL if it cannot be read. */
static char *read_text(const char *root, const char *directory, const char *group, const char *name)
{
    CLEANUP_FREE char *path =
        mem_printf("%s%s%s/%s", root, directory, strcmp(group, "/") == 0 ? "" : group, name);
    CLEANUP_FREE char *text = mem_alloc(FILE_MAX + 1);
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;

    if (fd < 0 || io_read_some(fd, text, FILE_MAX, &len, NULL) < 0)
        return NULL;
    text[len] = '\0';
    return TAKE_PTR(text);
}

static uint64_t read_limit(const char *root, const struct tree *tree, const char *group)
{
    uint64_t least = UINT64_MAX;

    for (size_t i = 0; i < 2 && tree->limits[i]; i++) {
        CLEANUP_FREE char *text = read_text(root, tree->mount, group, tree->limits[i]);
        uint64_t limit = text ? sizing_host_limit(text) : UINT64_MAX;
        least = limit < least ? limit : least;
    }
    return least;
}

/* What the group takes and would not give back under pressure. */
static uint64_t read_usage(const char *root, const struct tree *tree, const char *group)
{
    CLEANUP_FREE char *usage_text = read_text(root, tree->mount, group, tree->usage);
    CLEANUP_FREE char *stat_text = read_text(root, tree->mount, group, "memory.stat");
    uint64_t usage = usage_text ? sizing_host_limit(usage_text) : 0;
    uint64_t cache;

    for (size_t i = 0; i < 2 && stat_text; i++) {
        if (sizing_host_field(stat_text, tree->cache[i], &cache))
            usage -= cache < usage ? cache : usage;
    }
    return usage;
}

static void apply_memory(const char *root, const struct tree *tree, const char *group,
                         struct sizing_host *host)
{
    uint64_t limit = read_limit(root, tree, group);

    if (limit == UINT64_MAX)
        return;
    uint64_t usage = read_usage(root, tree, group);
    uint64_t left = limit > usage ? limit - usage : 0;
    host->cgroup_limit = limit < host->cgroup_limit ? limit : host->cgroup_limit;
    host->available_memory = left < host->available_memory ? left : host->available_memory;
}

static void apply_cpus(const char *root, bool v2, const char *group, struct sizing_host *host)
{
    unsigned cpus = UINT_MAX;

    if (v2) {
        CLEANUP_FREE char *max = read_text(root, "/sys/fs/cgroup", group, "cpu.max");
        cpus = max ? sizing_host_cpu_max(max) : UINT_MAX;
    } else {
        CLEANUP_FREE char *quota = read_text(root, "/sys/fs/cgroup/cpu", group, "cpu.cfs_quota_us");
        CLEANUP_FREE char *period =
            read_text(root, "/sys/fs/cgroup/cpu", group, "cpu.cfs_period_us");
        uint64_t quota_us = quota ? sizing_host_limit(quota) : UINT64_MAX;
        if (period && quota_us != UINT64_MAX)
            cpus = cpus_of_quota(quota_us, sizing_host_limit(period));
    }
    host->cpus = cpus < host->cpus ? cpus : host->cpus;
}

/* From the group up to the root of its tree; group is used up. */
static bool go_to_parent_group(char *group)
{
    char *slash = strrchr(group, '/');

    if (!slash || strcmp(group, "/") == 0)
        return false;
    slash[slash == group ? 1 : 0] = '\0';
    return true;
}

int sizing_host_read(const char *root, struct sizing_host *ret, struct err *err)
{
    struct sizing_host host = {.cgroup_limit = UINT64_MAX, .cpus = UINT_MAX};
    CLEANUP_FREE char *meminfo = read_text(root, "/proc", "", "meminfo");
    CLEANUP_FREE char *groups = read_text(root, "/proc/self", "", "cgroup");

    if (!meminfo || !sizing_host_field(meminfo, "MemTotal", &host.total_memory) ||
        !sizing_host_field(meminfo, "MemAvailable", &host.available_memory))
        return err_set(err, ERR_IO, "cannot read MemTotal and MemAvailable from /proc/meminfo");
    for (size_t i = 0; groups && i < sizeof(memory_trees) / sizeof(memory_trees[0]); i++) {
        CLEANUP_FREE char *group = sizing_host_group(groups, memory_trees[i].controller);
        if (!group)
            continue;
        do {
            apply_memory(root, &memory_trees[i], group, &host);
        } while (go_to_parent_group(group));
    }
    for (unsigned v2 = 0; groups && v2 < 2; v2++) {
        CLEANUP_FREE char *group = sizing_host_group(groups, v2 ? "" : "cpu");
        if (!group)
            continue;
        do {
            apply_cpus(root, v2, group, &host);
        } while (go_to_parent_group(group));
    }
    *ret = host;
    return 0;
}
