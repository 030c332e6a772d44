/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Chooses how a guest is captured.
 */
#include "ops/backup/capture.h"

bool capture_has_memory(enum capture_mode mode)
{
    return mode == CAPTURE_SAVE || mode == CAPTURE_PAUSE || mode == CAPTURE_LIVE;
}

bool capture_has_exports(enum capture_mode mode)
{
    return mode == CAPTURE_PAUSE || mode == CAPTURE_LIVE || mode == CAPTURE_DISKS;
}

static enum capture_mode best_mode(const struct guest_abilities *abilities,
                                   const struct guest_status *status)
{
    /* After a memory snapshot of a guest that stays paused, it could not be captured again. */
    if (!abilities->pull_backup || !abilities->manual || status->state == GUEST_PAUSED)
        return CAPTURE_SAVE;
    return abilities->live_trusted ? CAPTURE_LIVE : CAPTURE_PAUSE;
}

int capture_choose(struct guest *guest, const struct guest_status *status, enum guest_memory wanted,
                   enum capture_mode *ret, bool *ret_unsafe, struct err *err)
{
    struct guest_abilities abilities;

    *ret_unsafe = false;
    if (status->state == GUEST_SHUT_OFF) {
        *ret = CAPTURE_OFFLINE;
        return 0;
    }
    if (wanted == GUEST_MEMORY_SAVE) {
        *ret = CAPTURE_SAVE;
        return 0;
    }
    if (guest_get_abilities(guest, &abilities, err) < 0)
        return -1;
    *ret = best_mode(&abilities, status);
    if (wanted == GUEST_MEMORY_SPARING && abilities.pull_backup && abilities.agent &&
        status->state == GUEST_RUNNING && guest_agent_answers(guest))
        *ret = CAPTURE_DISKS;
    if (wanted == GUEST_MEMORY_AUTO || wanted == GUEST_MEMORY_SPARING)
        return 0;
    if (!abilities.pull_backup || (wanted != GUEST_MEMORY_NONE && !abilities.manual))
        return err_set(err, ERR_UNSUPPORTED,
                       "this hypervisor cannot fix the disks of a running guest at one instant; "
                       "use --guest-memory save, or shut the guest down");
    if (wanted == GUEST_MEMORY_NONE)
        *ret = CAPTURE_DISKS;
    else if (status->state != GUEST_PAUSED)
        *ret = wanted == GUEST_MEMORY_LIVE ? CAPTURE_LIVE : CAPTURE_PAUSE;
    *ret_unsafe = *ret == CAPTURE_LIVE && !abilities.live_trusted;
    return 0;
}

int capture_check_choice(enum capture_mode mode, const struct guest_status *now, struct err *err)
{
    bool off = now->state == GUEST_SHUT_OFF;

    if (off == (mode == CAPTURE_OFFLINE))
        return 0;
    return err_set(err, ERR_BUSY,
                   "it %s while its backup was being prepared; start the backup again",
                   off ? "ended" : "was started");
}
