/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Checks what the archive would make libvirt do, before anything is written.
 */
#include "ops/restore/job.h"

#include <string.h>

#include "guest/definition/definition.h"
#include "ops/findings.h"
#include "ops/memory.h"

/* Media are not part of a backup. A drive whose medium could be anything is emptied, unless the
 * user trusts the definition. In a sealed definition it keeps its medium, which two guests may
 * read. */
static void check_definition(struct restore_job *job, struct xml_doc *definition,
                             const struct definition_host *host)
{
    CLEANUP(xml_freep) struct xml_doc *copy = NULL;
    CLEANUP_STRINGS struct strings kept = {0};

    if (job->seal == SEAL_FITS) {
        copy = xml_copy(definition);
        definition_eject_media(copy, host, &kept);
        definition_check(copy, host, &job->findings);
        return;
    }
    if (!job->run->options->trust_definition) {
        definition_eject_media(definition, host, &job->ejected);
        if (!job->placement.nvram)
            definition_forget_nvram(definition);
    }
    definition_check(definition, host, &job->findings);
}

int restore_check_guest(struct restore_job *job, struct err *err)
{
    const struct manifest *manifest = job->manifest;
    CLEANUP_FINDINGS_VIEW struct findings_view view = {0};

    job->definition = placement_rewrite(&job->placement, manifest, manifest->definition, err);
    if (!job->definition)
        return -1;
    if (job->placement.memory) {
        if (!manifest->live)
            return err_set(err, ERR_CORRUPT,
                           "the manifest has memory but no XML to resume it with");
        job->live = placement_rewrite(&job->placement, manifest, manifest->live, err);
        if (!job->live)
            return -1;
        if (memory_look(job->backup, &job->findings, err) < 0)
            return err_prefix(err, "memory");
    }
    findings_view_make(job->run->hypervisor, &job->placement, manifest, &view);
    check_definition(job, job->definition, &view.host);
    if (job->live)
        check_definition(job, job->live, &view.host);
    for (size_t i = 0; i < job->ejected.count; i++)
        report_warning(job->run->report, job->name,
                       &(struct warning){WARNING_MEDIUM_LEFT_OUT, .disk = job->ejected.items[i]});
    /* A seal vouches for all of it, but not for what a copy would share with the original. */
    if (job->seal == SEAL_FITS && job->placement.renamed)
        definition_findings_keep_disks(&job->findings);
    else if (job->seal == SEAL_FITS)
        definition_findings_clear(&job->findings);
    return 0;
}

static void add_place_finding(struct restore_job *job, const char *what, const char *path)
{
    CLEANUP_FREE char *text = path ? mem_printf("the place %s of its %s", path, what) : NULL;

    if (text)
        definition_findings_add(&job->findings, text);
}

void restore_check_places(struct restore_job *job)
{
    const struct placement *placement = &job->placement;

    if (!job->run->options->original_places || job->seal == SEAL_FITS)
        return;
    for (size_t i = 0; i < placement->disk_count; i++) {
        const struct placed_disk *placed = &placement->disks[i];
        CLEANUP_FREE char *what = mem_printf("disk '%s'", placed->disk->target);
        if (strcmp(placed->path, placed->disk->path) == 0)
            add_place_finding(job, what, placed->path);
    }
    add_place_finding(job, "NVRAM", placement->nvram);
    add_place_finding(job, "TPM state", placement->tpm_source);
}

static const char *const seal_texts[] = {
    [SEAL_NONE] = "the backup has no seal",
    [SEAL_FOREIGN] = "the backup was sealed by another host",
    [SEAL_BROKEN] = "the backup's seal is broken: it was changed after this host made it",
    [SEAL_FITS] = "two guests would use it",
};

static int refuse_findings(const struct restore_job *job, struct err *err)
{
    CLEANUP_FREE char *text = findings_line(&job->findings, "--dry-run lists");

    err_set(err, ERR_DENIED,
            "its definition reaches beyond the guest's own files: %s; %s; if you trust its "
            "origin, use --trust-definition",
            text, seal_texts[job->seal]);
    return err_note_remedy(err, ERR_REMEDY_TRUST_DEFINITION);
}

int restore_check_findings(struct restore_job *job, struct err *err)
{
    if (job->findings.count == 0)
        return 0;
    if (!job->run->options->trust_definition)
        return refuse_findings(job, err);
    for (size_t i = 0; i < job->findings.count; i++)
        report_warning(job->run->report, job->name,
                       &(struct warning){WARNING_TRUSTED, .finding = job->findings.all[i].text});
    return 0;
}
