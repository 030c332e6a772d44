/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/findings.h"

#include "base/buf.h"
#include "guest/definition/definition.h"
#include "ops/extras.h"

/* The number of findings that a line shows. */
#define SHOWN 3

/* ---- what definition_check is told ------------------------------------------------------- */

static const char *nvram_format(const struct manifest *manifest)
{
    const struct manifest_extra *nvram = extras_in_manifest(manifest, EXTRA_NVRAM);

    return nvram && nvram->format ? nvram->format : "raw";
}

static size_t list_own(const struct placement *placement, const struct manifest *manifest,
                       struct definition_own *own)
{
    size_t count = 0;

    for (; count < placement->disk_count; count++)
        own[count] =
            (struct definition_own){placement->disks[count].path, placement->disks[count].format};
    /* A place that the user has named belongs to the guest. */
    for (size_t i = 0; i < placement->left_out_count; i++)
        if (placement->left_out[i].path)
            own[count++] =
                (struct definition_own){placement->left_out[i].path, placement->left_out[i].format};
    if (placement->nvram)
        own[count++] = (struct definition_own){placement->nvram, nvram_format(manifest)};
    return count;
}

void findings_view_make(struct hypervisor *hypervisor, const struct placement *placement,
                        const struct manifest *manifest, struct findings_view *ret)
{
    size_t room = placement->disk_count + placement->left_out_count + 1;

    ret->own = mem_array(room, sizeof(*ret->own));
    if (hypervisor)
        host_places_read(hypervisor, &ret->places);
    else
        host_places_guess(manifest->uri, &ret->places);
    ret->host = (struct definition_host){
        .name = placement->name,
        .state = ret->places.state,
        .nvram = ret->places.nvram,
        .tpm = placement->tpm_source,
        .own = ret->own,
        .own_count = list_own(placement, manifest, ret->own),
        .emulators = (const char *const *)ret->places.emulators.items,
        .emulator_count = ret->places.emulators.count,
        .media = (const char *const *)ret->places.pools.items,
        .media_count = ret->places.pools.count,
    };
}

void findings_view_clear(struct findings_view *view)
{
    host_places_clear(&view->places);
    free(view->own);
    *view = (struct findings_view){0};
}

/* ---- a backup as such ----------------------------------------------------------------------- */

/* No file has a name in here. */
#define NOWHERE "/nonexistent"

static void look_at_domain(const struct manifest *manifest, const struct placement *placement,
                           const struct xml_doc *domain, const struct findings_view *view,
                           struct definition_findings *findings)
{
    CLEANUP_STRINGS struct strings ejected = {0};
    CLEANUP(xml_freep)
    struct xml_doc *doc = domain ? placement_rewrite(placement, manifest, domain, NULL) : NULL;

    if (!doc)
        return;
    definition_eject_media(doc, &view->host, &ejected);
    if (!placement->nvram)
        definition_forget_nvram(doc);
    definition_check(doc, &view->host, findings);
}

void findings_of_backup(const struct manifest *manifest, struct definition_findings *ret)
{
    const struct restore_options options = {.destination = NOWHERE};
    struct claims claims CLEANUP(claims_clear) = {0};
    CLEANUP_PLACEMENT struct placement placement = {0};
    CLEANUP_FINDINGS_VIEW struct findings_view view = {0};

    const struct placement_request request = {manifest->domain_name, manifest, &options, &claims};
    if (placement_make(&request, &placement, NULL) < 0)
        return;
    if (definition_tpm_source(manifest->definition) ||
        (manifest->live && definition_tpm_source(manifest->live)))
        placement.tpm_source = mem_strdup(NOWHERE "/tpm");
    findings_view_make(NULL, &placement, manifest, &view);
    look_at_domain(manifest, &placement, manifest->definition, &view, ret);
    if (placement.memory)
        look_at_domain(manifest, &placement, manifest->live, &view, ret);
}

/* ---- telling it -------------------------------------------------------------------------------- */

char *findings_line(const struct definition_findings *findings, const char *hint)
{
    CLEANUP_BUF struct buf line = {0};
    size_t shown = findings->count < SHOWN ? findings->count : SHOWN;

    for (size_t i = 0; i < shown; i++)
        buf_printf(&line, "%s%s", i ? ", " : "", findings->all[i].text);
    if (findings->count > shown)
        buf_printf(&line, " and %zu more, which %s", findings->count - shown, hint);
    return buf_take_str(&line);
}
