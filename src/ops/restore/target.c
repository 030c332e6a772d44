/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/restore/target.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/shell.h"
#include "guest/definition/definition.h"
#include "ops/restore/in_use.h"

/* ---- is the place free? ------------------------------------------------------------------ */

static int find_guest(struct hypervisor *hypervisor, const char *name, const char *uuid,
                      struct guest **ret, struct err *err)
{
    CLEANUP_ERR struct err find_err = ERR_INIT;
    int found = name ? guest_find(hypervisor, name, ret, &find_err)
                     : guest_find_uuid(hypervisor, uuid, ret, &find_err);

    if (found == 0 || find_err.kind == ERR_NOT_FOUND)
        return 0;
    return err_move(err, &find_err);
}

/* How to call the guest in an error that is prefixed with `name`; the caller frees. */
static char *describe_guest_for(const struct guest *guest, const char *name)
{
    return strcmp(guest_name(guest), name) == 0 ? mem_strdup("the existing guest")
                                                : mem_printf("guest '%s'", guest_name(guest));
}

static int check_is_off(struct guest *guest, const char *name, struct err *err)
{
    CLEANUP_FREE char *who = describe_guest_for(guest, name);
    struct guest_status status;

    if (guest_get_status(guest, &status, err) < 0)
        return -1;
    if (status.state != GUEST_SHUT_OFF)
        return err_set(err, ERR_EXISTS, "%s is %s; shut it down before replacing it", who,
                       status.state_text);
    if (status.managed_save) {
        CLEANUP_FREE char *line = shell_virsh("managedsave-remove", guest_name(guest));
        return err_set(err, ERR_EXISTS,
                       "%s has a managed-save image, which must be removed before the guest "
                       "is replaced: %s",
                       who, line);
    }
    return 0;
}

static int check_replaceable(struct guest *guest, const char *name, bool replace, struct err *err)
{
    CLEANUP_FREE char *who = describe_guest_for(guest, name);

    if (replace)
        return check_is_off(guest, name, err);
    err_set(err, ERR_EXISTS,
            "%s already exists, with UUID %s; restore under another name with "
            "--new-name, or replace it with --replace once it is shut off",
            strcmp(guest_name(guest), name) == 0 ? "a guest of this name" : who, guest_uuid(guest));
    return err_note_remedy(err, ERR_REMEDY_REPLACE);
}

static int check_existing(struct target *target, const struct target_request *request,
                          struct err *err)
{
    CLEANUP(guest_freep) struct guest *by_name = NULL;
    CLEANUP(guest_freep) struct guest *by_uuid = NULL;

    if (find_guest(request->hypervisor, request->placement->name, NULL, &by_name, err) < 0)
        return -1;
    if (!request->placement->renamed &&
        find_guest(request->hypervisor, NULL, request->manifest->domain_uuid, &by_uuid, err) < 0)
        return -1;
    if (by_name && by_uuid && strcmp(guest_uuid(by_name), guest_uuid(by_uuid)) != 0)
        return err_set(
            err, ERR_EXISTS,
            "one guest has its name, and another, '%s', its UUID; restore it with --new-name",
            guest_name(by_uuid));
    target->replaced = by_name ? TAKE_PTR(by_name) : TAKE_PTR(by_uuid);
    return target->replaced ? check_replaceable(target->replaced, request->placement->name,
                                                request->replace, err)
                            : 0;
}

/* ---- is what is there in use? ---------------------------------------------------------------- */

static bool is_shareable(const struct definition_disks *disks, const char *target)
{
    const struct definition_disk *disk = definition_find_disk(disks, target);

    return disk && disk->shareable;
}

/* Block devices to write to, files to replace, files and devices to be used; the caller frees the
 * array. */
static struct in_use_place *list_places(const struct placement *placement,
                                        const struct manifest *manifest, size_t *ret_count)
{
    CLEANUP_DEFINITION_DISKS struct definition_disks disks = {0};
    struct in_use_place *places =
        mem_array(placement->disk_count + placement->left_out_count + placement->replaced.count + 1,
                  sizeof(*places));
    size_t count = 0;

    (void)definition_read_disks(manifest->definition, &disks, NULL);
    for (size_t i = 0; i < placement->disk_count; i++) {
        const struct placed_disk *placed = &placement->disks[i];
        if (placed->block_device)
            places[count++] = (struct in_use_place){.path = placed->path};
        else if (placement_replaces(placement, placed->path))
            places[count++] =
                (struct in_use_place){.path = placed->path,
                                      .replaced = true,
                                      .shareable = is_shareable(&disks, placed->disk->target)};
    }
    if (placement->nvram && placement_replaces(placement, placement->nvram))
        places[count++] = (struct in_use_place){.path = placement->nvram, .replaced = true};
    for (size_t i = 0; i < placement->left_out_count; i++)
        if (placement->left_out[i].path)
            places[count++] = (struct in_use_place){.path = placement->left_out[i].path};
    *ret_count = count;
    return places;
}

static int check_places_in_use(const struct target_request *request, const struct guest *own,
                               const struct report *report, struct err *err)
{
    CLEANUP_FREE struct in_use_place *places = NULL;
    struct in_use_query query = {
        .hypervisor = request->hypervisor,
        .own_uuid = own ? guest_uuid(own) : NULL,
        .report = report,
        .name = request->placement->name,
    };

    places = list_places(request->placement, request->manifest, &query.count);
    query.places = places;
    return query.count ? in_use_check(&query, err) : 0;
}

/* ---- disks under a definition that stays ------------------------------------------------------ */

static bool is_same_path(const char *a, const char *b)
{
    struct stat st_a, st_b;

    return strcmp(a, b) == 0 || (stat(a, &st_a) == 0 && stat(b, &st_b) == 0 &&
                                 st_a.st_dev == st_b.st_dev && st_a.st_ino == st_b.st_ino);
}

/* libvirt gives an image the format and the backing files that the definition says, whatever is in
 * its header: then the guest would see other data than was restored. */
static int check_disk_fits(const struct placed_disk *placed, const struct definition_disk *disk,
                           struct err *err)
{
    const char *format = disk->format ? disk->format : "raw";

    if (disk->backed || disk->data_store)
        return err_set(err, ERR_UNSUPPORTED,
                       "disk '%s': the guest's definition gives %s a backing file, as after an "
                       "external snapshot, and the restored image has none; restore the whole "
                       "guest with --replace, or the disk to a folder with --destination-path",
                       disk->target, placed->path);
    if (strcmp(format, placed->format) != 0)
        return err_set(err, ERR_UNSUPPORTED,
                       "disk '%s': the guest's definition says that %s is %s, and the restored "
                       "image is %s; restore the whole guest with --replace, or the disk to a "
                       "folder with --destination-path",
                       disk->target, placed->path, format, placed->format);
    return 0;
}

static int check_definition_fits(const struct target_request *request, struct guest *guest,
                                 struct err *err)
{
    const struct placement *placement = request->placement;
    CLEANUP_DEFINITION_DISKS struct definition_disks disks = {0};
    CLEANUP_FREE char *text = NULL;

    if (guest_get_xml(guest, GUEST_XML_PERSISTENT, &text, err) < 0)
        return -1;
    CLEANUP(xml_freep) struct xml_doc *domain = xml_parse(text, strlen(text), err);
    if (!domain || definition_read_disks(domain, &disks, err) < 0)
        return err_prefix(err, "the definition of the existing guest");
    for (size_t i = 0; i < disks.count; i++) {
        CLEANUP_FREE char *path = in_use_disk_path(request->hypervisor, &disks.disks[i]);
        for (size_t j = 0; path && j < placement->disk_count; j++)
            if (is_same_path(path, placement->disks[j].path) &&
                check_disk_fits(&placement->disks[j], &disks.disks[i], err) < 0)
                return -1;
    }
    return 0;
}

static int check_disks_only(const struct target_request *request, const struct report *report,
                            struct err *err)
{
    const char *name = request->placement->name;
    CLEANUP(guest_freep) struct guest *guest = NULL;

    if (find_guest(request->hypervisor, NULL, request->manifest->domain_uuid, &guest, err) < 0)
        return -1;
    if (guest && check_is_off(guest, name, request->original_places ? err : NULL) < 0) {
        if (request->original_places)
            return -1;
        guest_free(TAKE_PTR(guest)); /* its devices are in use as others' are */
    }
    if (guest && check_definition_fits(request, guest, err) < 0)
        return -1;
    return check_places_in_use(request, guest, report, err);
}

/* ---- both --------------------------------------------------------------------------------------- */

int target_check(struct target *target, const struct target_request *request, struct err *err)
{
    if (request->disks_only)
        return check_disks_only(request, request->report, err);
    if (check_existing(target, request, err) < 0)
        return -1;
    return check_places_in_use(request, target->replaced, request->report, err);
}

static bool is_same_guest(const struct guest *a, const struct guest *b)
{
    return !a || !b ? a == b
                    : strcmp(guest_uuid(a), guest_uuid(b)) == 0 &&
                          strcmp(guest_name(a), guest_name(b)) == 0;
}

int target_check_again(const struct target *target, const struct target_request *request,
                       struct err *err)
{
    CLEANUP(target_clear) struct target now = {0};

    if (request->disks_only)
        return check_disks_only(request, NULL, err);
    if (check_existing(&now, request, err) < 0)
        return -1;
    if (!is_same_guest(now.replaced, target->replaced))
        return err_set(err, ERR_BUSY,
                       "%s while it was restored; look at what is there, and start again",
                       now.replaced ? "another guest has taken its place"
                                    : "the guest that it was to replace has been removed");
    return check_places_in_use(request, target->replaced, NULL, err);
}

/* ---- the new definition ----------------------------------------------------------------------- */

int target_note(const struct target *target, const char *uuid, const char *name,
                struct intent *intent, struct err *err)
{
    struct guest_status status;

    if (target->replaced) {
        if (guest_get_xml(target->replaced, GUEST_XML_PERSISTENT, &intent->old_xml, err) < 0 ||
            guest_get_status(target->replaced, &status, err) < 0 ||
            guest_points_get(target->replaced, &intent->old_points, err) < 0)
            return -1;
        intent->old_autostart = status.autostart;
        intent->in_place = strcmp(guest_uuid(target->replaced), uuid) == 0 &&
                           strcmp(guest_name(target->replaced), name) == 0;
    }
    intent->defined = mem_strdup(uuid);
    return 0;
}

int target_define(struct target *target, const struct target_definition *definition,
                  struct err *err)
{
    const struct intent *intent = definition->intent;

    /* A guest of this name with another UUID, or of this UUID with another name, is in the way. */
    if (target->replaced && !intent->in_place && guest_undefine(target->replaced, err) < 0)
        return err_prefix(err, "cannot replace the existing guest");
    if (guest_define(definition->hypervisor, definition->xml, &target->guest, err) < 0)
        return -1;
    /* Undefined, it has lost them already. */
    if (intent->in_place && guest_points_remove(target->guest, &intent->old_points, err) < 0)
        return err_prefix(err, "cannot replace the existing guest");
    return guest_set_autostart(target->guest, definition->autostart, err);
}

void target_clear(struct target *target)
{
    guest_free(target->guest);
    guest_free(target->replaced);
    *target = (struct target){0};
}
