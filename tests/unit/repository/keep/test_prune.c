/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What prune does with points that cannot be read. What a policy keeps is in test_retention.c.
 */
#include "keep_world.h"

#include <string.h>

#include "repository/keep/prune.h"
#include "repository/stored_point.h"

static void note_event(void *opaque, const struct prune_event *event)
{
    static const char *const words[] = {
        [PRUNE_KEEPS] = "keeps",       [PRUNE_DROPS] = "drops",     [PRUNE_DAMAGED] = "damaged",
        [PRUNE_IN_TRASH] = "in trash", [PRUNE_REFUSED] = "refused", [PRUNE_TOO_NEW] = "too new",
        [PRUNE_STALE] = "stale",       [PRUNE_UNKNOWN] = "unknown"};

    buf_printf(opaque, "%s %02x%s%s\n", words[event->kind], event->point.session.bytes[ID_SIZE - 1],
               event->text ? ": " : "", event->text ? event->text : "");
}

struct failing {
    struct id session; /* of the point that cannot be read */
    enum err_kind kind;
};

static int fail_at_a_point(void *opaque, stored_parse *parse, const void *data, size_t len,
                           struct buf *ret, struct err *err)
{
    const struct failing *failing = opaque;
    const struct slot_id *id = data;

    if (id_compare(&id->session, &failing->session) == 0)
        return err_set(err, failing->kind, "cannot be read");
    return parse(data, len, ret, err);
}

/* A sector that is bad, a file that is not ours, a process that does not survive it. */
static void a_point_that_cannot_be_read_stays_and_keeps_no_other_from_being_pruned(void **state)
{
    static const enum err_kind kinds[] = {ERR_CORRUPT, ERR_IO, ERR_DENIED};

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        CLEANUP_KEEP_WORLD struct keep_world world = {0};
        /* As of today: by the clock of the store all are of the last hour. */
        const struct prune_settings settings = {.policy.keep = {[RETENTION_LAST] = 1},
                                                .dry_run = true};
        struct prune_result result = {0};
        CLEANUP_BUF struct buf events = {0};
        CLEANUP_ERR struct err err = ERR_INIT;
        struct point_id points[3];

        keep_world_begin(&world);
        for (unsigned j = 0; j < 3; j++) {
            points[j] = keep_world_point(2, j + 1);
            keep_world_put(&world, &points[j], NULL);
        }
        const struct failing failing = {points[1].session, kinds[i]};
        const struct stored_parser parser = {(void *)&failing, fail_at_a_point};
        world.scope.parser = &parser;
        const struct prune_events told = {note_event, &events};
        if (prune_run(&world.scope, &settings, &told, &result, &err) < 0)
            fail_msg("%s", err.text);
        CLEANUP_FREE char *text = buf_take_str(&events);

        assert_int_equal(result.points_damaged, 1);
        assert_int_equal(result.points_dropped, 1);
        assert_int_equal(result.points_kept, 2);
        assert_non_null(strstr(text, "drops 34\n"));
        assert_non_null(strstr(text, "damaged 59: memory/p/default/"));
        assert_non_null(strstr(text, "keeps 7e\n"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_point_that_cannot_be_read_stays_and_keeps_no_other_from_being_pruned),
    };

    return cmocka_run_group_tests_name("prune", tests, NULL, NULL);
}
