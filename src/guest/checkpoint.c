/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/checkpoint.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/random.h"
#include "base/text.h"
#include "base/xml.h"
#include "guest/bounded.h"
#include "guest/connection.h"
#include "guest/definition/definition.h"
#include "guest/libvirt_error.h"

#define PREFIX "vb-"
#define RANDOM_LEN 32

/* ---- names ----------------------------------------------------------------------------------- */

static bool is_hex(const char *text, size_t len)
{
    return strspn(text, "0123456789abcdef") >= len;
}

int guest_checkpoint_name(const char *owner, char **ret, struct err *err)
{
    char random[RANDOM_LEN + 1];

    assert(is_hex(owner, GUEST_CHECKPOINT_OWNER_LEN) && owner[GUEST_CHECKPOINT_OWNER_LEN] == '\0');
    if (random_hex(RANDOM_LEN / 2, random, err) < 0)
        return -1;
    *ret = mem_printf(PREFIX "%s-%s", owner, random);
    return 0;
}

bool guest_checkpoint_is_ours(const char *name, const char *owner)
{
    const char *rest = text_after(name, PREFIX);

    if (!rest || !is_hex(rest, GUEST_CHECKPOINT_OWNER_LEN) ||
        rest[GUEST_CHECKPOINT_OWNER_LEN] != '-' ||
        (owner && strncmp(rest, owner, GUEST_CHECKPOINT_OWNER_LEN) != 0))
        return false;
    rest += GUEST_CHECKPOINT_OWNER_LEN + 1;
    return is_hex(rest, RANDOM_LEN) && rest[RANDOM_LEN] == '\0';
}

/* ---- asking libvirt ---------------------------------------------------------------------------- */

int guest_checkpoint_is_safe(struct guest *guest, bool *ret_safe, struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

    virDomainPtr domain CLEANUP_DOMAIN = NULL;

    if (connection_domain(guest, &domain, err) < 0)
        return -1;
    int count = virDomainListAllSnapshots(domain, NULL, VIR_DOMAIN_SNAPSHOT_LIST_INTERNAL);
    if (count < 0 && libvirt_error_is_unknown_call())
        count = 0;
    if (count < 0)
        return libvirt_error(err, "cannot list the guest's snapshots");
    *ret_safe = count == 0;
    return 0;
}

int guest_checkpoint_list(struct guest *guest, const char *owner, struct strings *names,
                          struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

    virDomainPtr domain CLEANUP_DOMAIN = NULL;
    virDomainCheckpointPtr *checkpoints = NULL;

    if (connection_domain(guest, &domain, err) < 0)
        return -1;
    int count = virDomainListAllCheckpoints(domain, &checkpoints, 0);
    if (count < 0 && libvirt_error_is_unknown_call())
        return 0;
    if (count < 0)
        return libvirt_error(err, "cannot list the guest's checkpoints");
    for (int i = 0; i < count; i++) {
        const char *name = virDomainCheckpointGetName(checkpoints[i]);
        if (guest_checkpoint_is_ours(name, owner))
            strings_add(names, name);
        virDomainCheckpointFree(checkpoints[i]);
    }
    free(checkpoints);
    return 0;
}

static int is_active(virDomainPtr domain, bool *ret, struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

    int active = virDomainIsActive(domain);
    if (active < 0)
        return libvirt_error(err, "cannot tell whether the guest is active");
    *ret = active > 0;
    return 0;
}

/* *ret is NULL if libvirt has none of this name. */
static int look_up(virDomainPtr domain, const char *name, virDomainCheckpointPtr *ret,
                   struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

    *ret = virDomainCheckpointLookupByName(domain, name, 0);
    if (!*ret && libvirt_error_code() != VIR_ERR_NO_DOMAIN_CHECKPOINT &&
        !libvirt_error_is_unknown_call())
        return libvirt_error(err, "checkpoint '%s': cannot look it up", name);
    return 0;
}

/* The XML of libvirt's record; *ret is NULL if libvirt has no record. The caller frees. */
static int get_record(virDomainPtr domain, const char *name, char **ret, struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

    virDomainCheckpointPtr found CLEANUP_CHECKPOINT = NULL;

    if (look_up(domain, name, &found, err) < 0)
        return -1;
    *ret = found ? virDomainCheckpointGetXMLDesc(found, VIR_DOMAIN_CHECKPOINT_XML_SECURE) : NULL;
    if (found && !*ret)
        return libvirt_error(err, "checkpoint '%s': cannot get its XML", name);
    return 0;
}

/* What libvirt needs to know of a checkpoint that it has no record of. */
static char *record_of(const char *name, const struct strings *targets)
{
    CLEANUP(xml_freep) struct xml_doc *doc = xml_new("domaincheckpoint");
    CLEANUP_FREE char *now = mem_printf("%lld", (long long)time(NULL));

    xml_set_text(xml_add(xml_root(doc), NULL, NULL, "name"), name);
    xml_set_text(xml_add(xml_root(doc), NULL, NULL, "creationTime"), now);
    struct xml_node *list = xml_add(xml_root(doc), NULL, NULL, "disks");
    for (size_t i = 0; i < targets->count; i++) {
        struct xml_node *disk = xml_add(list, NULL, NULL, "disk");
        xml_set_attr(disk, "name", targets->items[i]);
        xml_set_attr(disk, "checkpoint", "bitmap");
        xml_set_attr(disk, "bitmap", name);
    }
    return xml_format(doc);
}

char *guest_checkpoint_xml(const struct guest_checkpoint *checkpoint)
{
    return record_of(checkpoint->name, checkpoint->targets);
}

/* Of a list of one. */
static char *record_of_one(const char *name, const char *target)
{
    char *items[] = {(char *)(uintptr_t)target};
    const struct strings one = {items, 1};

    return record_of(name, &one);
}

static int read_targets(const char *record, struct strings *targets, struct err *err)
{
    CLEANUP(xml_freep) struct xml_doc *doc = xml_parse(record, strlen(record), err);

    if (!doc)
        return err_prefix(err, "the XML of a checkpoint");
    for (struct xml_node *disk = xml_find(xml_root(doc), "disks/disk"); disk;
         disk = xml_next_same(disk))
        if (xml_attr(disk, "name") && text_same(xml_attr(disk, "checkpoint"), "bitmap"))
            strings_add(targets, xml_attr(disk, "name"));
    return 0;
}

static bool has_all(const struct strings *targets, const struct strings *wanted)
{
    for (size_t i = 0; i < wanted->count; i++)
        if (!strings_has(targets, wanted->items[i]))
            return false;
    return true;
}

/* Makes a record, in the place of one of that name. validate: only if all its bitmaps are sound, else
 * *ret_sound is false, and nothing has changed. */
static int redefine(virDomainPtr domain, const char *record, bool validate, bool *ret_sound,
                    struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

    unsigned flags = VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE |
                     (validate ? VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE_VALIDATE : 0);
    virDomainCheckpointPtr made CLEANUP_CHECKPOINT =
        virDomainCheckpointCreateXML(domain, record, flags);

    *ret_sound = made != NULL;
    if (made || (validate && libvirt_error_code() == VIR_ERR_CHECKPOINT_INCONSISTENT))
        return 0;
    return libvirt_error(err, "cannot redefine a checkpoint");
}

int guest_checkpoint_record(struct guest *guest, const struct guest_checkpoint *checkpoint,
                            struct err *err)
{
    virDomainPtr domain CLEANUP_DOMAIN = NULL;
    CLEANUP_FREE char *record = record_of(checkpoint->name, checkpoint->targets);
    bool made = false;

    if (connection_domain(guest, &domain, err) < 0)
        return -1;
    return redefine(domain, record, false, &made, err);
}

/* ---- validating ------------------------------------------------------------------------------------ */

/* Each by itself. libvirt's record then names only the last that was sound. libvirt itself takes the
 * bitmap of a disk that the guest does not have any more for sound. */
static int validate_each(virDomainPtr domain, const struct guest_checkpoint *checkpoint, bool known,
                         enum guest_checkpoint_state *ret_states, struct err *err)
{
    CLEANUP_DEFINITION_DISKS struct definition_disks disks = {0};

    if (connection_read_disks(domain, &disks, err) < 0)
        return -1;
    for (size_t i = 0; i < checkpoint->targets->count; i++) {
        CLEANUP_FREE char *record = record_of_one(checkpoint->name, checkpoint->targets->items[i]);
        bool sound = false;
        if (definition_find_disk(&disks, checkpoint->targets->items[i]) &&
            redefine(domain, record, true, &sound, err) < 0)
            return -1;
        if (sound)
            ret_states[i] = known ? GUEST_CHECKPOINT_FOUND : GUEST_CHECKPOINT_REDEFINED;
        else
            ret_states[i] = known ? GUEST_CHECKPOINT_BROKEN : GUEST_CHECKPOINT_ABSENT;
    }
    return 0;
}

/* The former record is kept as it was if it will do: it knows the tree of checkpoints, too. */
static int settle_record(virDomainPtr domain, const struct guest_checkpoint *checkpoint,
                         const char *former, const enum guest_checkpoint_state *states,
                         struct err *err)
{
    CLEANUP_STRINGS struct strings sound = {0};
    CLEANUP_STRINGS struct strings known = {0};
    bool made = false;

    for (size_t i = 0; i < checkpoint->targets->count; i++)
        if (states[i] == GUEST_CHECKPOINT_FOUND || states[i] == GUEST_CHECKPOINT_REDEFINED)
            strings_add(&sound, checkpoint->targets->items[i]);
    if (former && read_targets(former, &known, err) < 0)
        return -1;
    if (former && has_all(&known, &sound))
        return redefine(domain, former, false, &made, err);
    if (sound.count == 0)
        return 0;
    for (size_t i = 0; i < sound.count; i++)
        if (!strings_has(&known, sound.items[i]))
            strings_add(&known, sound.items[i]);
    CLEANUP_FREE char *record = record_of(checkpoint->name, &known);
    return redefine(domain, record, false, &made, err);
}

int guest_checkpoint_validate(struct guest *guest, const struct guest_checkpoint *checkpoint,
                              enum guest_checkpoint_state *ret_states, struct err *err)
{
    virDomainPtr domain CLEANUP_DOMAIN = NULL;
    CLEANUP_FREE char *former = NULL;
    CLEANUP_FREE enum guest_checkpoint_state *states =
        mem_array(checkpoint->targets->count, sizeof(*states));

    if (connection_domain(guest, &domain, err) < 0 ||
        get_record(domain, checkpoint->name, &former, err) < 0)
        return -1;
    int validated = validate_each(domain, checkpoint, former != NULL, states, err);
    if (validated < 0 && err && err->errnum == ETIMEDOUT)
        return -1;
    if (settle_record(domain, checkpoint, former, states, validated < 0 ? NULL : err) < 0 ||
        validated < 0)
        return err_prefix(err, "checkpoint '%s'", checkpoint->name);
    memcpy(ret_states, states, checkpoint->targets->count * sizeof(*states));
    return 0;
}

/* ---- deleting ------------------------------------------------------------------------------------ */

static int delete_known(virDomainPtr domain, const char *name, unsigned flags, struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

    virDomainCheckpointPtr found CLEANUP_CHECKPOINT = NULL;

    if (look_up(domain, name, &found, err) < 0)
        return -1;
    if (found && virDomainCheckpointDelete(found, flags) < 0)
        return libvirt_error(err, "checkpoint '%s': cannot delete it", name);
    return 0;
}

/* libvirt deletes all bitmaps of a checkpoint or none, and none if one of them is missing. So each
 * disk's is deleted by itself, with a record that names no other. */
static int delete_one(virDomainPtr domain, const char *name, const char *target, struct err *err)
{
    CLEANUP_FREE char *record = record_of_one(name, target);
    CLEANUP_ERR struct err delete_err = ERR_INIT;
    bool sound = false;

    if (redefine(domain, record, false, &sound, err) < 0)
        return -1;
    if (delete_known(domain, name, 0, &delete_err) == 0)
        return 0;
    /* Why it failed has no code. Without a sound bitmap nothing is left: QEMU deletes those that
     * are broken, too. */
    if (delete_err.errnum == ETIMEDOUT || redefine(domain, record, true, &sound, NULL) < 0 || sound)
        return err_move(err, &delete_err);
    return delete_known(domain, name, VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY, err);
}

/* The record that stays names those that could not be deleted: of a disk, say, that the guest can only read
 * by now. */
static int keep_rest(virDomainPtr domain, const char *name, const struct strings *rest,
                     struct err *failure, struct err *err)
{
    CLEANUP_FREE char *record = record_of(name, rest);
    bool made = false;

    if (failure->errnum != ETIMEDOUT)
        (void)redefine(domain, record, false, &made, NULL);
    return err_move(err, failure);
}

/* One that cannot be deleted does not keep the others. */
static int delete_each(virDomainPtr domain, const char *name, const struct strings *targets,
                       struct err *err)
{
    CLEANUP_STRINGS struct strings rest = {0};
    CLEANUP_ERR struct err first = ERR_INIT;

    for (size_t i = 0; i < targets->count && first.errnum != ETIMEDOUT; i++) {
        CLEANUP_ERR struct err delete_err = ERR_INIT;
        if (delete_one(domain, name, targets->items[i], &delete_err) == 0)
            continue;
        strings_add(&rest, targets->items[i]);
        if (first.kind == ERR_NONE || delete_err.errnum == ETIMEDOUT)
            err_move(&first, &delete_err);
    }
    if (first.kind != ERR_NONE)
        return keep_rest(domain, name, &rest, &first, err);
    return delete_known(domain, name, VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY, err);
}

static int delete_online(virDomainPtr domain, const struct guest_checkpoint *checkpoint,
                         struct err *err)
{
    CLEANUP_FREE char *record = NULL;
    CLEANUP_STRINGS struct strings all = {0};
    CLEANUP_ERR struct err delete_err = ERR_INIT;

    if (get_record(domain, checkpoint->name, &record, err) < 0 ||
        (record && read_targets(record, &all, err) < 0))
        return -1;
    if (record && has_all(&all, checkpoint->targets)) {
        if (delete_known(domain, checkpoint->name, 0, &delete_err) == 0)
            return 0;
        if (delete_err.errnum == ETIMEDOUT)
            return err_move(err, &delete_err);
    }
    for (size_t i = 0; i < checkpoint->targets->count; i++)
        if (!strings_has(&all, checkpoint->targets->items[i]))
            strings_add(&all, checkpoint->targets->items[i]);
    return delete_each(domain, checkpoint->name, &all, err);
}

int guest_checkpoint_delete(struct guest *guest, const struct guest_checkpoint *checkpoint,
                            bool *ret_off, struct err *err)
{
    virDomainPtr domain CLEANUP_DOMAIN = NULL;
    CLEANUP_ERR struct err online_err = ERR_INIT;
    bool active = false;

    if (connection_domain(guest, &domain, err) < 0 || is_active(domain, &active, err) < 0)
        return -1;
    if (active && delete_online(domain, checkpoint, &online_err) < 0) {
        /* It may have ended meanwhile. */
        if (online_err.errnum == ETIMEDOUT || is_active(domain, &active, NULL) < 0 || active)
            return err_move(err, &online_err);
    }
    *ret_off = !active;
    return active ? 0
                  : delete_known(domain, checkpoint->name,
                                 VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY, err);
}
