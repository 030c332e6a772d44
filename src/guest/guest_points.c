/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/guest_points.h"

#include <string.h>

#include "base/xml.h"
#include "guest/bounded.h"
#include "guest/connection.h"
#include "guest/libvirt_error.h"

static void free_snapshot(virDomainSnapshotPtr *snapshot)
{
    if (*snapshot)
        virDomainSnapshotFree(*snapshot);
}

/* A driver that does not know the flags has no metadata of libvirt's either. */
static bool keeps_none(void)
{
    int code = libvirt_error_code();

    return code == VIR_ERR_NO_SUPPORT || code == VIR_ERR_INVALID_ARG ||
           code == VIR_ERR_OPERATION_UNSUPPORTED;
}

/* ---- reading ------------------------------------------------------------------------------- */

static int add_snapshot(virDomainSnapshotPtr snapshot, struct guest_points *points, struct err *err)
{
    const char *name = virDomainSnapshotGetName(snapshot);
    char *xml = virDomainSnapshotGetXMLDesc(snapshot, VIR_DOMAIN_SNAPSHOT_XML_SECURE);

    if (!xml)
        return libvirt_error(err, "snapshot '%s': cannot get its XML", name);
    strings_take(&points->snapshots, xml);
    int current = virDomainSnapshotIsCurrent(snapshot, 0);
    if (current < 0)
        return libvirt_error(err, "snapshot '%s': cannot tell whether it is the current one", name);
    if (current > 0 && !points->current)
        points->current = mem_strdup(name);
    return 0;
}

static int list_snapshots(virDomainPtr domain, struct guest_points *points, struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

    virDomainSnapshotPtr *snapshots = NULL;
    int result = 0;
    int count = virDomainListAllSnapshots(domain, &snapshots,
                                          VIR_DOMAIN_SNAPSHOT_LIST_METADATA |
                                              VIR_DOMAIN_SNAPSHOT_LIST_TOPOLOGICAL);

    if (count < 0)
        return keeps_none() ? 0 : libvirt_error(err, "cannot list the guest's snapshots");
    for (int i = 0; i < count; i++) {
        if (result == 0)
            result = add_snapshot(snapshots[i], points, err);
        virDomainSnapshotFree(snapshots[i]);
    }
    free(snapshots);
    return result;
}

static int add_checkpoint(virDomainCheckpointPtr checkpoint, struct guest_points *points,
                          struct err *err)
{
    char *xml = virDomainCheckpointGetXMLDesc(checkpoint, VIR_DOMAIN_CHECKPOINT_XML_SECURE);

    if (!xml)
        return libvirt_error(err, "checkpoint '%s': cannot get its XML",
                             virDomainCheckpointGetName(checkpoint));
    strings_take(&points->checkpoints, xml);
    return 0;
}

static int list_checkpoints(virDomainPtr domain, struct guest_points *points, struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

    virDomainCheckpointPtr *checkpoints = NULL;
    int result = 0;
    int count =
        virDomainListAllCheckpoints(domain, &checkpoints, VIR_DOMAIN_CHECKPOINT_LIST_TOPOLOGICAL);

    if (count < 0)
        return keeps_none() ? 0 : libvirt_error(err, "cannot list the guest's checkpoints");
    for (int i = 0; i < count; i++) {
        if (result == 0)
            result = add_checkpoint(checkpoints[i], points, err);
        virDomainCheckpointFree(checkpoints[i]);
    }
    free(checkpoints);
    return result;
}

int guest_points_get(struct guest *guest, struct guest_points *ret, struct err *err)
{
    virDomainPtr domain CLEANUP_DOMAIN = NULL;
    CLEANUP_GUEST_POINTS struct guest_points points = {0};

    if (connection_domain(guest, &domain, err) < 0 || list_snapshots(domain, &points, err) < 0 ||
        list_checkpoints(domain, &points, err) < 0)
        return -1;
    *ret = points;
    points = (struct guest_points){0};
    return 0;
}

/* ---- putting back, and removing ------------------------------------------------------------- */

/* libvirt refuses a snapshot, even one that is only defined again, while there are checkpoints;
 * the other way round it does not. So checkpoints go first and come last: whenever a snapshot is
 * missing, they are missing too. */

/* The caller frees. */
static char *name_of(const char *xml, struct err *err)
{
    CLEANUP(xml_freep) struct xml_doc *doc = xml_parse(xml, strlen(xml), err);

    if (!doc)
        return NULL;
    char *name = xml_find_text(xml_root(doc), "name");
    if (!name)
        err_set(err, ERR_CORRUPT, "the XML of a snapshot or checkpoint has no name");
    return name;
}

static int put_snapshot_back(virDomainPtr domain, const char *xml, const char *current,
                             struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

    unsigned flags = VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE;
    CLEANUP_FREE char *name = name_of(xml, err);
    virDomainSnapshotPtr snapshot CLEANUP(free_snapshot) = NULL;

    if (!name)
        return -1;
    snapshot = virDomainSnapshotLookupByName(domain, name, 0);
    if (snapshot)
        return 0;
    if (current && strcmp(current, name) == 0)
        flags |= VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT;
    snapshot = virDomainSnapshotCreateXML(domain, xml, flags);
    return snapshot ? 0 : libvirt_error(err, "snapshot '%s': cannot put it back", name);
}

static int put_checkpoint_back(virDomainPtr domain, const char *xml, struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

    CLEANUP_FREE char *name = name_of(xml, err);
    virDomainCheckpointPtr checkpoint CLEANUP_CHECKPOINT = NULL;

    if (!name)
        return -1;
    checkpoint = virDomainCheckpointLookupByName(domain, name, 0);
    if (checkpoint)
        return 0;
    checkpoint = virDomainCheckpointCreateXML(domain, xml, VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE);
    return checkpoint ? 0 : libvirt_error(err, "checkpoint '%s': cannot put it back", name);
}

int guest_points_put_back(struct guest *guest, const struct guest_points *points, struct err *err)
{
    virDomainPtr domain CLEANUP_DOMAIN = NULL;
    int result = 0;

    if (points->snapshots.count + points->checkpoints.count == 0)
        return 0;
    if (connection_domain(guest, &domain, err) < 0)
        return -1;
    for (size_t i = 0; i < points->snapshots.count; i++)
        if (put_snapshot_back(domain, points->snapshots.items[i], points->current,
                              result < 0 ? NULL : err) < 0)
            result = -1;
    for (size_t i = 0; i < points->checkpoints.count; i++)
        if (put_checkpoint_back(domain, points->checkpoints.items[i], result < 0 ? NULL : err) < 0)
            result = -1;
    return result;
}

static int remove_snapshot(virDomainPtr domain, const char *xml, struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

    CLEANUP_FREE char *name = name_of(xml, err);
    virDomainSnapshotPtr snapshot CLEANUP(free_snapshot) = NULL;

    if (!name)
        return -1;
    snapshot = virDomainSnapshotLookupByName(domain, name, 0);
    if (!snapshot && libvirt_error_code() == VIR_ERR_NO_DOMAIN_SNAPSHOT)
        return 0;
    if (!snapshot ||
        virDomainSnapshotDelete(snapshot, VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY) < 0)
        return libvirt_error(err, "snapshot '%s': cannot remove it", name);
    return 0;
}

static int remove_checkpoint(virDomainPtr domain, const char *xml, struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

    CLEANUP_FREE char *name = name_of(xml, err);
    virDomainCheckpointPtr checkpoint CLEANUP_CHECKPOINT = NULL;

    if (!name)
        return -1;
    checkpoint = virDomainCheckpointLookupByName(domain, name, 0);
    if (!checkpoint && libvirt_error_code() == VIR_ERR_NO_DOMAIN_CHECKPOINT)
        return 0;
    if (!checkpoint ||
        virDomainCheckpointDelete(checkpoint, VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY) < 0)
        return libvirt_error(err, "checkpoint '%s': cannot remove it", name);
    return 0;
}

int guest_points_remove(struct guest *guest, const struct guest_points *points, struct err *err)
{
    virDomainPtr domain CLEANUP_DOMAIN = NULL;

    if (points->snapshots.count + points->checkpoints.count == 0)
        return 0;
    if (connection_domain(guest, &domain, err) < 0)
        return -1;
    for (size_t i = points->checkpoints.count; i > 0; i--)
        if (remove_checkpoint(domain, points->checkpoints.items[i - 1], err) < 0)
            return -1;
    for (size_t i = points->snapshots.count; i > 0; i--)
        if (remove_snapshot(domain, points->snapshots.items[i - 1], err) < 0)
            return -1;
    return 0;
}

void guest_points_clear(struct guest_points *points)
{
    strings_clear(&points->snapshots);
    strings_clear(&points->checkpoints);
    free(points->current);
    points->current = NULL;
}
