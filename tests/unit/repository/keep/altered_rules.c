/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "altered_store.h"

static const char *const rule_names[RULES] = {
    [RULE_NONE] = "none",
    [RULE_NO_SECOND_LOOK] = "no-second-look",
    [RULE_ANNOUNCED_LATE] = "announced-late",
    [RULE_TRASH_READ_LAST] = "trash-read-last",
    [RULE_TRASH_USED] = "trash-used",
    [RULE_KIND_NOT_READ] = "kind-not-read",
    [RULE_PART_NOT_LOOKED_AT] = "part-not-looked-at",
    [RULE_BASE_NOT_LOOKED_AT_AGAIN] = "base-not-looked-at-again",
    [RULE_COMMIT_REPLACES] = "commit-replaces",
    [RULE_SESSIONS_FIRST] = "sessions-first",
    [RULE_PACKS_LAST] = "packs-last",
    [RULE_NO_WAIT] = "no-wait",
    [RULE_NO_FENCE] = "no-fence",
    [RULE_ONE_LOOK] = "one-look",
    [RULE_GONE_IS_SKIPPED] = "gone-is-skipped",
    [RULE_MARKER_GOES_FIRST] = "marker-goes-first",
    [RULE_HOLD_DOES_NOT_LOOK] = "hold-does-not-look",
    [RULE_HOLD_TAKES_REMOVED] = "hold-takes-removed",
    [RULE_HOLDS_FIRST] = "holds-first",
    [RULE_HOLDS_IGNORED] = "holds-ignored",
    [RULE_VERDICT_REPLACED] = "verdict-replaced",
    [RULE_UNDELETE_DELETES] = "undelete-deletes",
    [RULE_UNDELETE_DOES_NOT_LOOK] = "undelete-does-not-look",
    [RULE_SLOTS_NOT_SETTLED] = "slots-not-settled",
    [RULE_OWN_SLOTS_SETTLED] = "own-slots-settled",
    [RULE_PACKS_NOT_SETTLED] = "packs-not-settled",
    [RULE_TOKEN_NOT_CHECKED] = "token-not-checked",
    [RULE_TOKEN_LATE] = "token-late",
    [RULE_REMOVED_SINCE_TOKEN] = "removed-since-token",
    [RULE_TOMBSTONES_GO] = "tombstones-go",
    [RULE_SESSION_OUTLIVES_SETBACK] = "session-outlives-setback",
    [RULE_SETBACK_DURING_REMOVAL] = "setback-during-removal",
};

const char *altered_rule_name(enum altered_rule rule)
{
    return rule_names[rule];
}

enum altered_rule altered_rule_find(const char *name)
{
    enum altered_rule rule = RULE_NONE;

    while (rule < RULES && strcmp(rule_names[rule], name) != 0)
        rule++;
    return rule;
}
