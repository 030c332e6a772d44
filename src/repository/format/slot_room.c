/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/format/slot_room.h"

#include <inttypes.h>

#include "base/units.h"

#define MOST_GROWTH 64
#define MOST_IN_ANY_CASE (LIMITS_SMALL + (UINT64_C(128) << 20))

uint64_t slot_room_most(uint64_t stored_len)
{
    return stored_len < (SLOT_ROOM_MAX - MOST_IN_ANY_CASE) / MOST_GROWTH
               ? stored_len * MOST_GROWTH + MOST_IN_ANY_CASE
               : SLOT_ROOM_MAX;
}

uint64_t slot_room_of(const struct slot_section *sections, uint32_t count)
{
    uint64_t room = SLOT_ROOM_INFO_MAX;

    for (uint32_t i = 0; i < count; i++)
        if (!units_add(room, sections[i].raw_len, &room) || !units_add(room, SLOT_ROOM_HEAD, &room))
            return UINT64_MAX;
    return room;
}

int slot_room_check(uint64_t room, uint64_t stored_len, struct err *err)
{
    uint64_t most = slot_room_most(stored_len);

    if (room > SLOT_ROOM_MAX)
        return err_set(err, ERR_UNSUPPORTED, "has more than %" PRIu64 " bytes when it is unpacked",
                       SLOT_ROOM_MAX);
    if (room > most)
        return err_set(err, ERR_CORRUPT,
                       "is unreadable: it has %" PRIu64 " bytes when it is unpacked, and may have "
                       "%" PRIu64,
                       room, most);
    return 0;
}
