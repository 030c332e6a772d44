/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/target.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/shell.h"
#include "guest/definition/definition.h"

/* ---- is the place free? ------------------------------------------------------------------ */

static int find(struct hypervisor *hypervisor, const char *name, const char *uuid,
                struct guest **ret, struct err *err)
{
    CLEANUP_ERR struct err find_err = ERR_INIT;
    int found = name ? guest_find(hypervisor, name, ret, &find_err)
                     : guest_find_uuid(hypervisor, uuid, ret, &find_err);

    if (found == 0 || find_err.kind == ERR_NOT_FOUND)
        return 0;
    return err_move(err, &find_err);
}

/* The error is prefixed with `name`. */
static int check_replaceable(struct guest *guest, const char *name, bool replace, struct err *err)
{
    struct guest_status status;
    bool same = strcmp(guest_name(guest), name) == 0;
    CLEANUP_FREE char *who =
        same ? mem_strdup("the existing guest") : mem_printf("guest '%s'", guest_name(guest));

    if (!replace)
        return err_set(err, ERR_EXISTS,
                       "%s already exists, with UUID %s; restore under another name with "
                       "--new-name, or replace it with --replace once it is shut off",
                       same ? "a guest of this name" : who, guest_uuid(guest));
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

static int check_guest(struct target *target, struct hypervisor *hypervisor,
                       const struct placement *placement, const struct manifest *manifest,
                       bool replace, struct err *err)
{
    CLEANUP(guest_freep) struct guest *by_name = NULL;
    CLEANUP(guest_freep) struct guest *by_uuid = NULL;

    if (find(hypervisor, placement->name, NULL, &by_name, err) < 0)
        return -1;
    if (!placement->renamed && find(hypervisor, NULL, manifest->domain_uuid, &by_uuid, err) < 0)
        return -1;
    if (by_name && by_uuid && strcmp(guest_uuid(by_name), guest_uuid(by_uuid)) != 0)
        return err_set(
            err, ERR_EXISTS,
            "one guest has its name, and another, '%s', its UUID; restore it with --new-name",
            guest_name(by_uuid));
    target->replaced = by_name ? TAKE_PTR(by_name) : TAKE_PTR(by_uuid);
    return target->replaced ? check_replaceable(target->replaced, placement->name, replace, err)
                            : 0;
}

/* ---- is a device or file in use by a guest? -------------------------------------------------- */

static bool uses_device(const struct xml_doc *domain, const struct stat *device)
{
    CLEANUP_DEFINITION_DISKS struct definition_disks disks = {0};
    struct stat st;

    if (definition_read_disks(domain, &disks, NULL) < 0)
        return false;
    for (size_t i = 0; i < disks.count; i++)
        if (disks.disks[i].path && stat(disks.disks[i].path, &st) == 0 &&
            (S_ISBLK(device->st_mode) ? S_ISBLK(st.st_mode) && st.st_rdev == device->st_rdev
                                      : st.st_dev == device->st_dev && st.st_ino == device->st_ino))
            return true;
    return false;
}

static bool guest_uses(struct guest *guest, const struct stat *device)
{
    static const enum guest_xml_kind kinds[] = {GUEST_XML_PERSISTENT, GUEST_XML_LIVE};

    for (size_t i = 0; i < 2; i++) {
        CLEANUP_FREE char *text = NULL;
        CLEANUP(xml_freep) struct xml_doc *doc = NULL;
        if (guest_get_xml(guest, kinds[i], &text, NULL) < 0)
            continue;
        doc = xml_parse(text, strlen(text), NULL);
        if (doc && uses_device(doc, device))
            return true;
    }
    return false;
}

static int check_device(const struct target *target, struct guest **guests, size_t count,
                        const char *path, struct err *err)
{
    struct stat device;

    if (stat(path, &device) < 0)
        return 0;
    for (size_t i = 0; i < count; i++) {
        bool own =
            target->replaced && strcmp(guest_uuid(guests[i]), guest_uuid(target->replaced)) == 0;
        if (!own && guest_uses(guests[i], &device))
            return err_set(err, ERR_BUSY, "%s is a disk of guest '%s'; choose another one", path,
                           guest_name(guests[i]));
    }
    return 0;
}

static int check_devices(const struct target *target, struct hypervisor *hypervisor,
                         const struct placement *placement, struct err *err)
{
    struct guest **guests = NULL;
    size_t count = 0;
    int result = 0;

    if (hypervisor_list(hypervisor, &guests, &count, err) < 0)
        return -1;
    for (size_t i = 0; result == 0 && i < placement->disk_count; i++)
        if (placement->disks[i].block_device)
            result = check_device(target, guests, count, placement->disks[i].path, err);
    for (size_t i = 0; result == 0 && i < placement->left_out_count; i++)
        if (placement->left_out[i].path)
            result = check_device(target, guests, count, placement->left_out[i].path, err);
    guest_list_free(guests, count);
    return result;
}

int target_check(struct target *target, struct hypervisor *hypervisor,
                 const struct placement *placement, const struct manifest *manifest, bool replace,
                 struct err *err)
{
    if (check_guest(target, hypervisor, placement, manifest, replace, err) < 0)
        return -1;
    return check_devices(target, hypervisor, placement, err);
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

int target_define(struct target *target, struct hypervisor *hypervisor, const char *xml,
                  const struct intent *intent, bool autostart, struct err *err)
{
    /* A guest of this name with another UUID, or of this UUID with another name, is in the way. */
    if (target->replaced && !intent->in_place && guest_undefine(target->replaced, err) < 0)
        return err_prefix(err, "cannot replace the existing guest");
    if (guest_define(hypervisor, xml, &target->guest, err) < 0)
        return -1;
    /* Undefined, it has lost them already. */
    if (intent->in_place && guest_points_remove(target->guest, &intent->old_points, err) < 0)
        return err_prefix(err, "cannot replace the existing guest");
    return guest_set_autostart(target->guest, autostart, err);
}

void target_clear(struct target *target)
{
    guest_free(target->guest);
    guest_free(target->replaced);
    *target = (struct target){0};
}
