/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/backup/increment.h"

#include <string.h>

#include "base/text.h"

static bool is_same_inode(const struct increment_facts *facts)
{
    const struct trust *base = facts->base;

    if (!text_same(facts->host, base->host))
        return true; /* inodes of another host mean nothing here */
    return facts->has_inode == base->has_inode &&
           (!facts->has_inode || facts->inode == base->inode);
}

/* Ids of points rise. This host need not know of a newer one: the guest was on another, or a run has died
 * before it could note it. With an older one points have been lost, and perhaps what they rely on. */
static bool agrees_with_note(const struct increment_facts *facts)
{
    return !facts->noted || (facts->base_id && strcmp(facts->base_id, facts->noted) >= 0);
}

enum increment_doubt increment_judge(const struct increment_facts *facts)
{
    const struct trust *base = facts->base;

    if (!base)
        return INCREMENT_UNKNOWN;
    if (facts->full_read)
        return INCREMENT_REFUSED;
    if (!guest_checkpoint_is_ours(base->checkpoint, facts->owner) ||
        !text_same(base->bitmap, base->checkpoint))
        return INCREMENT_FOREIGN;
    if (!text_same(facts->path, base->path))
        return INCREMENT_PATH;
    if (!text_same(facts->format, base->format))
        return INCREMENT_FORMAT;
    if (facts->size != base->size)
        return INCREMENT_SIZE;
    if (!is_same_inode(facts))
        return INCREMENT_INODE;
    if (!agrees_with_note(facts))
        return INCREMENT_NOTE;
    if (facts->read_only)
        return INCREMENT_READ_ONLY;
    if (facts->state == GUEST_CHECKPOINT_ABSENT)
        return INCREMENT_ABSENT;
    if (facts->state == GUEST_CHECKPOINT_BROKEN)
        return INCREMENT_BROKEN;
    return facts->witnesses_differ ? INCREMENT_WITNESS : INCREMENT_SOUND;
}

const char *increment_reason(enum increment_doubt doubt)
{
    static const char *const reasons[INCREMENT_DOUBTS] = {
        [INCREMENT_FOREIGN] = "the newest point names a checkpoint of another repository",
        [INCREMENT_PATH] = "its image has another path now",
        [INCREMENT_FORMAT] = "its image has another format now",
        [INCREMENT_SIZE] = "its size has changed",
        [INCREMENT_INODE] = "its image is another file now",
        [INCREMENT_NOTE] = "the newest point is older than the one that this host made last",
        [INCREMENT_READ_ONLY] = "the guest can only read it now, and its bitmap cannot be used",
        [INCREMENT_ABSENT] = "its checkpoint is gone",
        [INCREMENT_BROKEN] = "the bitmap of its checkpoint cannot be used, as after a crash of the "
                             "host or of QEMU",
        [INCREMENT_WITNESS] = "blocks differ that are said not to have changed; was the image "
                              "exchanged, or written to while the guest was off?",
    };

    return reasons[doubt];
}
