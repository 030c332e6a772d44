/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/restore/job.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "guest/definition/definition.h"
#include "ops/extras.h"

/* Older versions silently drop the <source> of a TPM. */
#define SOURCE_SINCE 10010000

/* As libvirt does: others may pass through but see nothing; the last folder is closed. */
#define MODE_ABOVE 0711
#define MODE_LAST 0700

/* ---- its place --------------------------------------------------------------------------- */

/* The XML with the TPM: the definition may have lost it while the guest ran. */
static const struct xml_doc *tpm_domain(const struct manifest *manifest)
{
    if (definition_has_tpm_emulator(manifest->definition))
        return manifest->definition;
    return manifest->live && definition_has_tpm_emulator(manifest->live) ? manifest->live : NULL;
}

static int check_host(const struct restore_job *job, const struct xml_doc *domain, struct err *err)
{
    const char *version = definition_tpm_version(domain);

    if (hypervisor_emulates_tpm(job->run->hypervisor, definition_type(domain), version))
        return 0;
    return err_set(
        err, ERR_UNSUPPORTED,
        "it has an emulated TPM of version %s, which libvirt cannot emulate on this host; "
        "install swtpm and swtpm-tools, or restore the disks alone with --disks",
        version);
}

/* The file or folder that the XML names. */
static int place_original_source(struct restore_job *job, const struct xml_doc *domain, bool file,
                                 struct err *err)
{
    CLEANUP_FREE char *state = definition_tpm_state(domain, "", "");
    const char *slash = strrchr(state, '/');

    if (*state != '/')
        return err_set(err, ERR_UNSUPPORTED, "'%s' is not a place of this host", state);
    CLEANUP_FREE char *path =
        file || slash == state ? mem_strdup(state) : mem_strndup(state, (size_t)(slash - state));
    if (claims_has(&job->run->claims, path))
        return err_set(err, ERR_EXISTS, "%s is the TPM state of two guests", path);
    claims_add(&job->run->claims, path, job->name);
    job->placement.tpm_source = TAKE_PTR(path);
    return 0;
}

/* A place that the XML names goes to the destination, as disks do. */
static int place_source(struct restore_job *job, const struct xml_doc *domain, const char *type,
                        struct err *err)
{
    struct placement *placement = &job->placement;
    bool file = strcmp(type, "file") == 0;

    if (!file && strcmp(type, "dir") != 0)
        return err_set(err, ERR_UNSUPPORTED,
                       "the state of its TPM has a source of the unknown type '%s'", type);
    if (hypervisor_version(job->run->hypervisor) >= SOURCE_SINCE) {
        CLEANUP_FREE char *stem = mem_printf("%s-tpm", placement->name);
        if (job->run->options->original_places)
            return place_original_source(job, domain, file, err);
        const struct placement_request request = {job->name, job->manifest, job->run->options,
                                                  &job->run->claims};
        placement->tpm_source =
            placement_claim(&request, placement, stem, file ? ".state" : "", err);
        return placement->tpm_source ? 0 : -1;
    }
    if (file)
        return err_set(
            err, ERR_UNSUPPORTED,
            "the state of its TPM is a single file, which libvirt supports since 10.10; restore "
            "the disks alone with --disks, or restore on a host with a newer libvirt");
    return 0; /* the contents of the folder are the same in libvirt's own place */
}

static int place_state(struct restore_job *job, const struct xml_doc *domain, struct err *err)
{
    struct placement *placement = &job->placement;
    CLEANUP(xml_freep) struct xml_doc *placed = xml_copy(domain);
    CLEANUP_FREE char *folder = hypervisor_tpm_folder(job->run->hypervisor);
    const char *type = definition_tpm_source(domain);

    if (type && place_source(job, domain, type, err) < 0)
        return -1;
    definition_set_tpm_source(placed, placement->tpm_source);
    placement->tpm = definition_tpm_state(placed, folder, placement->uuid);
    return 0;
}

static int check_free(struct restore_job *job, struct err *err)
{
    struct placement *placement = &job->placement;
    const struct guest *replaced = job->target.replaced;
    struct stat st;

    if (lstat(placement->tpm, &st) < 0 && errno == ENOENT)
        return 0;
    if (job->run->options->overwrite ||
        (replaced && strcmp(guest_uuid(replaced), placement->uuid) == 0)) {
        strings_add(&placement->replaced, placement->tpm);
        return 0;
    }
    return err_set(err, ERR_EXISTS,
                   "%s: the state of a TPM of a guest with this UUID already exists and is not "
                   "overwritten; move it away, or restore the guest with --new-name",
                   placement->tpm);
}

int restore_tpm_place(struct restore_job *job, struct err *err)
{
    const struct xml_doc *domain = tpm_domain(job->manifest);

    if (!domain || job->run->options->disks.count)
        return 0;
    if (check_host(job, domain, err) < 0)
        return -1;
    if (place_state(job, domain, err) < 0)
        return err_prefix(err, "TPM state");
    if (extras_in_manifest(job->manifest, EXTRA_TPM))
        return check_free(job, err);
    /* It was never started: libvirt makes a state at the first start. */
    free(TAKE_PTR(job->placement.tpm));
    return 0;
}

/* ---- its file ---------------------------------------------------------------------------- */

/* The folder for the state and those above it, if they are missing. */
static int make_folders(struct restore_job *job, const struct manifest_owner *owner,
                        struct err *err)
{
    const char *path = job->placement.tpm;
    struct manifest_owner of_last = *owner;
    struct stat st;

    of_last.mode = MODE_LAST;
    of_last.selinux = NULL;
    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        CLEANUP_FREE char *folder = mem_strndup(path, (size_t)(slash - path));
        bool last = !strchr(slash + 1, '/');
        struct restore_output *output = NULL;
        if (stat(folder, &st) == 0)
            continue;
        if (restore_output_new(job, folder, &output, err) < 0 ||
            restore_output_make_folder(output, last ? MODE_LAST : MODE_ABOVE, err) < 0 ||
            restore_output_finish(job, output, last ? &of_last : NULL, err) < 0)
            return -1;
    }
    return 0;
}

int restore_tpm_write(struct restore_job *job, struct err *err)
{
    const struct manifest_extra *extra = extras_in_manifest(job->manifest, EXTRA_TPM);
    struct restore_output *output = NULL;

    if (make_folders(job, &extra->owner, err) < 0 ||
        restore_output_new(job, job->placement.tpm, &output, err) < 0)
        return -1;
    return restore_extra(job, extra, output, err);
}
