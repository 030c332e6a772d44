/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a start of the restored guest needs, and this host does not have.
 */
#include "ops/restore/job.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/buf.h"
#include "base/shell.h"
#include "base/text.h"
#include "guest/back_end.h"
#include "guest/definition/definition.h"
#include "guest/host_device.h"

struct references {
    struct reference *all;
    size_t count;
};

static void references_clear(struct references *references)
{
    definition_references_free(references->all, references->count);
}

/* ---- is it there? ----------------------------------------------------------------------- */

/* What we may not look at counts as there, and so does what this restore makes. */
static bool has_file(const struct restore_job *job, const char *path, mode_t type)
{
    struct stat st;

    if (claims_has(&job->run->claims, path))
        return true;
    if (stat(path, &st) < 0)
        return errno != ENOENT && errno != ENOTDIR;
    return type == 0 || (st.st_mode & S_IFMT) == type;
}

static bool has_parent(const struct restore_job *job, const char *path)
{
    const char *slash = strrchr(path, '/');
    CLEANUP_FREE char *parent = mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));

    return claims_has(&job->run->claims, path) || has_file(job, parent, S_IFDIR);
}

static bool has_pipe(const struct restore_job *job, const char *path)
{
    CLEANUP_FREE char *in = mem_printf("%s.in", path);

    return has_file(job, path, 0) || has_file(job, in, 0);
}

/* What the kernel has under this name. Where it tells nothing of the kind, the host counts as having
 * it. */
static bool has_in_sysfs(const char *folder, const char *name)
{
    CLEANUP_FREE char *path = mem_printf("%s/%s", folder, name);

    return access(folder, F_OK) != 0 || access(path, F_OK) == 0;
}

static bool has_tie(const struct reference *reference)
{
    CLEANUP_FREE char *cpu = mem_printf("cpu%s", reference->name);
    CLEANUP_FREE char *node = mem_printf("node%s", reference->name);
    CLEANUP_FREE char *pages =
        mem_printf("hugepages-%.*skB", (int)strcspn(reference->name, " "), reference->name);

    switch (reference->kind) {
    case REF_CPU:
        return has_in_sysfs("/sys/devices/system/cpu", cpu);
    case REF_NODE:
        return has_in_sysfs("/sys/devices/system/node", node);
    default:
        return has_in_sysfs("/sys/kernel/mm/hugepages", pages);
    }
}

/* What cannot be looked at counts as there. */
static bool has_back_end(void)
{
    static const char *const folders[] = {"/usr/share/qemu/vhost-user", "/etc/qemu/vhost-user"};

    return back_end_look(folders, ARRAY_COUNT(folders), "fs") != BACK_END_ABSENT;
}

static bool has_path(const struct restore_job *job, const struct reference *reference)
{
    switch (reference->kind) {
    case REF_FOLDER:
        return has_file(job, reference->name, S_IFDIR);
    case REF_PARENT:
        return has_parent(job, reference->name);
    case REF_PIPE:
        return has_pipe(job, reference->name);
    case REF_SOCKET:
        return has_file(job, reference->name, S_IFSOCK);
    case REF_CPU:
    case REF_NODE:
    case REF_PAGES:
        return has_tie(reference);
    case REF_BACK_END:
        return has_back_end();
    case REF_TEMPLATE:
        return job->placement.nvram || has_file(job, reference->name, 0);
    default:
        return has_file(job, reference->name, 0);
    }
}

static enum host_answer look_for(const struct restore_job *job, const struct reference *reference)
{
    static const enum host_thing things[] = {
        [REF_NETWORK] = HOST_NETWORK,         [REF_INTERFACE] = HOST_INTERFACE,
        [REF_NWFILTER] = HOST_NWFILTER,       [REF_POOL] = HOST_POOL,
        [REF_SECRET_UUID] = HOST_SECRET_UUID, [REF_SECRET_USAGE] = HOST_SECRET_USAGE,
    };

    if (reference->kind >= sizeof(things) / sizeof(*things))
        return has_path(job, reference) ? HOST_HAS : HOST_LACKS;
    return hypervisor_has(job->run->hypervisor, things[reference->kind], reference->name);
}

/* ---- telling it ----------------------------------------------------------------------------- */

static void tell_inactive(const struct restore_job *job, const struct reference *reference,
                          const char *uses)
{
    CLEANUP_FREE char *line =
        shell_virsh(reference->kind == REF_POOL ? "pool-start" : "net-start", reference->name);

    report_warning(job->run->report, job->name,
                   &(struct warning){WARNING_HOST_INACTIVE, .thing = reference->kind,
                                     .name = reference->name, .uses = uses, .command = line});
}

/* In a backup of this host a device that is there is most likely still the same. */
static void tell_device(const struct restore_job *job, const struct reference *reference,
                        const char *uses)
{
    enum host_device found = host_device_look("/sys", reference->name);

    if (found == HOST_DEVICE_ABSENT)
        report_warning(job->run->report, job->name,
                       &(struct warning){WARNING_HOST_LACKS, .thing = reference->kind,
                                         .name = reference->name, .uses = uses});
    else if (found == HOST_DEVICE_UNKNOWN || job->seal != SEAL_FITS)
        report_warning(
            job->run->report, job->name,
            &(struct warning){WARNING_DEVICE_UNSURE, .name = reference->name, .uses = uses});
}

static void tell_one(const struct restore_job *job, const struct reference *reference,
                     const char *uses)
{
    const struct report *report = job->run->report;

    if (reference->kind == REF_DEVICE) {
        tell_device(job, reference, uses);
        return;
    }
    enum host_answer answer = look_for(job, reference);
    if (answer == HOST_INACTIVE)
        tell_inactive(job, reference, uses);
    else if (answer == HOST_LACKS)
        report_warning(report, job->name,
                       &(struct warning){WARNING_HOST_LACKS, .thing = reference->kind,
                                         .name = reference->name, .uses = uses});
    else if (reference->kind == REF_POOL && reference->volume &&
             hypervisor_has_volume(job->run->hypervisor, reference->name, reference->volume) ==
                 HOST_LACKS)
        report_warning(report, job->name,
                       &(struct warning){WARNING_HOST_LACKS_VOLUME, .name = reference->name,
                                         .volume = reference->volume, .uses = uses});
}

/* ---- all of it -------------------------------------------------------------------------------- */

static void add_references(const struct restore_job *job, const struct xml_doc *domain,
                           struct references *references)
{
    const struct manifest *manifest = job->manifest;
    CLEANUP_FREE const char **restored = mem_array(manifest->disk_count, sizeof(*restored));
    struct reference *found = NULL;
    size_t count = 0;

    for (size_t i = 0; i < manifest->disk_count; i++)
        restored[i] = manifest->disks[i].target;
    if (!domain ||
        definition_references(domain, restored, manifest->disk_count, &found, &count, NULL) < 0)
        return;
    references->all =
        mem_resize(references->all, references->count + count, sizeof(*references->all));
    for (size_t i = 0; i < count; i++)
        references->all[references->count++] = found[i];
    free(found);
}

static bool is_same_reference(const struct reference *a, const struct reference *b)
{
    return a->kind == b->kind && strcmp(a->name, b->name) == 0 && text_same(a->volume, b->volume);
}

static bool is_first(const struct references *references, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (is_same_reference(&references->all[i], &references->all[index]))
            return false;
    return true;
}

/* "serial, console"; the caller frees. */
static char *join_uses(const struct references *references, const struct reference *reference)
{
    CLEANUP_STRINGS struct strings uses = {0};
    CLEANUP_BUF struct buf text = {0};

    for (size_t i = 0; i < references->count; i++)
        if (is_same_reference(&references->all[i], reference) &&
            !strings_has(&uses, references->all[i].use))
            strings_add(&uses, references->all[i].use);
    for (size_t i = 0; i < uses.count; i++)
        buf_printf(&text, "%s%s", i ? ", " : "", uses.items[i]);
    return buf_take_str(&text);
}

void restore_tell_lacks(const struct restore_job *job)
{
    struct references references CLEANUP(references_clear) = {0};

    add_references(job, job->definition, &references);
    add_references(job, job->live, &references);
    for (size_t i = 0; i < references.count; i++) {
        if (!is_first(&references, i))
            continue;
        CLEANUP_FREE char *uses = join_uses(&references, &references.all[i]);
        tell_one(job, &references.all[i], uses);
    }
}
