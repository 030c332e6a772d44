/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What one rule of collection is there for: a store that answers an actor as if its code did without
 * that rule. The code itself is the real one. Names of rules are those of tests/model/run.
 */
#pragma once

#include "../../store/memory_store.h"
#include "repository/format/id.h"

enum altered_role { ROLE_WRITER, ROLE_COLLECTOR, ROLE_HOLDER, ROLE_UNDELETER, ROLE_OTHER };

enum altered_rule {
    RULE_NONE,           /* all of them are kept */
    RULE_NO_SECOND_LOOK, /* of a session at what it builds on, before it commits: all others do without */
    RULE_ANNOUNCED_LATE,
    RULE_TRASH_READ_LAST,
    RULE_TRASH_USED,
    RULE_KIND_NOT_READ,
    RULE_PART_NOT_LOOKED_AT,
    RULE_BASE_NOT_LOOKED_AT_AGAIN,
    RULE_COMMIT_REPLACES,
    RULE_SESSIONS_FIRST,
    RULE_PACKS_LAST,
    RULE_NO_WAIT,
    RULE_NO_FENCE,
    RULE_ONE_LOOK,
    RULE_GONE_IS_SKIPPED,
    RULE_MARKER_GOES_FIRST,
    RULE_HOLD_DOES_NOT_LOOK,
    RULE_HOLD_TAKES_REMOVED,
    RULE_HOLDS_FIRST,
    RULE_HOLDS_IGNORED,
    RULE_VERDICT_REPLACED,
    RULE_UNDELETE_DELETES,
    RULE_UNDELETE_DOES_NOT_LOOK,
    RULE_SLOTS_NOT_SETTLED,
    RULE_OWN_SLOTS_SETTLED,
    RULE_PACKS_NOT_SETTLED,
    RULE_TOKEN_NOT_CHECKED,
    RULE_TOKEN_LATE,
    RULE_REMOVED_SINCE_TOKEN,
    RULE_TOMBSTONES_GO, /* this one and the next are not the code's, but what it relies on */
    RULE_SESSION_OUTLIVES_SETBACK,
    RULE_SETBACK_DURING_REMOVAL,
    RULES,
};

const char *altered_rule_name(enum altered_rule rule);
/* RULES if no rule has that name. */
enum altered_rule altered_rule_find(const char *name);

struct altered {
    enum altered_rule rule;
    enum altered_role role;
    struct id repository;
    const struct memory *copies; /* of points, as they were made */
};

/* Takes the inner store. */
struct store *altered_open(struct store *inner, const struct altered *altered);
