/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "event_rows.h"

#include "base/units.h"
#include "ops/status.h"

#define POINT_ID "0198f3a2c4d51b7e00112233445566ff"
#define POINT_TIME "2026-05-01T10:00:00.250Z"
#define POINT {.scope = "default", .id = POINT_ID, .time = POINT_TIME}
#define POINT_JSON                                                                                 \
    "\"guest\":\"web\",\"scope\":\"default\",\"point\":\"" POINT_ID "\",\"time\":\"" POINT_TIME "\""
#define POINT_TEXT "guest 'web': the point of 2026-05-01 10:00:00 +0000 (0198f3a2c4d51b7e)"
/* A row of an event about it, when something was done and when nothing had to be. */
#define COLLECT_POINT                                                                              \
    .point = {.scope = "default", .id = POINT_ID},                                                 \
    .guest_uuid = "11112222-3333-4444-5555-666677778888"
#define COLLECT_POINT_JSON                                                                         \
    "\"scope\":\"default\",\"uuid\":\"11112222-3333-4444-5555-666677778888\",\"point\":"           \
    "\"" POINT_ID "\""
#define COLLECT_POINT_TEXT(what)                                                                   \
    "scope 'default': " what " 0198f3a2c4d51b7e of guest 11112222-3333-4444-5555-666677778888"
#define POINT_ROWS(kind_, name_, done_, was_so_)                                                   \
    {{kind_, "web", .point = {.scope = "default", .id = POINT_ID, .time = POINT_TIME}},            \
     name_,                                                                                        \
     EVENT_AS_RESULT,                                                                              \
     POINT_TEXT done_,                                                                             \
     "{" POINT_JSON ",\"changed\":true}"},                                                         \
        {{kind_, "web",                                                                            \
          .point = {.scope = "default", .id = POINT_ID, .time = POINT_TIME, .was_so = true}},      \
         name_,                                                                                    \
         EVENT_AS_RESULT,                                                                          \
         POINT_TEXT was_so_,                                                                       \
         "{" POINT_JSON ",\"changed\":false}"}

static char listed_id[] = "01a2228d8c7747d2772f1fe235eda9f9", listed_host[] = "a";
static char listed_why[] = "before the upgrade";
static char listed_problem[] = "p/default: its SHA-256 is wrong", weekly[] = "weekly";
static char *tag_texts[] = {weekly};
static const struct points_entry listed_point = {
    .id = listed_id,
    .id_digits = 10,
    .time_ms = INT64_C(1795876031000),
    .host = listed_host,
    .state = STATE_SHUT_OFF,
    .consistency = CONSISTENCY_OFFLINE,
    .disk_count = 2,
    .size = 16 << 20,
    .stored = 4 << 20,
    .complete = true,
    .verified = true,
    .held = true,
    .held_by = listed_host,
    .held_why = listed_why,
    .held_ms = INT64_C(1795876032000),
    .tags = {tag_texts, 1},
};
static const struct points_entry partial_point = {
    .id = listed_id,
    .id_digits = 10,
    .time_ms = INT64_C(1795876031000),
    .host = listed_host,
    .disk_count = 2,
    .size = 16 << 20,
    .stored = 4 << 20,
    .damaged = true,
};
static const struct points_entry held_point = {
    .id = listed_id,
    .id_digits = 8,
    .problem = listed_problem,
    .held = true,
    .held_by = listed_host,
    .held_why = listed_why,
    .held_ms = INT64_C(1795876032000),
};
static const struct points_entry strangely_held_point = {
    .id = listed_id,
    .id_digits = 8,
    .problem = listed_problem,
    .held = true,
};
static const struct definition_findings no_findings;
static const struct points_entry unreadable_point = {
    .id = listed_id,
    .id_digits = 8,
    .problem = listed_problem,
    .trashed = true,
};

/* ---- status -------------------------------------------------------------------------------------- */

static char status_web[] = "web", status_uuid[] = "01010101-0101-0101-0101-010101010101";
static char status_backup[] = "backup", status_reason[] = "guest 'web': disk 'vda' | is gone";
static struct status_guest status_guests[] = {
    {.name = status_web,
     .uuid = status_uuid,
     .on_host = true,
     .state = STATUS_STATE_STALE,
     .point = listed_id,
     .place = listed_host,
     .scope = status_web,
     .taken_ms = INT64_C(1795876031000),
     .size = 16 << 20,
     .stored = 4 << 20,
     .points = 3,
     .damaged = 1,
     .verified_ms = INT64_C(1795876032000),
     .failure = {.verb = status_backup,
                 .host = listed_host,
                 .reason = status_reason,
                 .ended_s = INT64_C(1795879631),
                 .status = 1,
                 .open = true}},
    {.name = listed_host, .uuid = status_uuid, .state = STATUS_STATE_GONE, .points = 1, .ahead = 1},
};
static const struct status two_guests = {
    .guests = status_guests,
    .count = 2,
    .now_ms = INT64_C(1795876031000) + INT64_C(27) * 3600 * 1000,
    .max_age_ms = INT64_C(26) * 3600 * 1000,
    .states = {[STATUS_STATE_STALE] = 1, [STATUS_STATE_GONE] = 1},
};
static const struct status no_guest = {.max_age_ms = 1000};

static char *needing_guests[] = {status_web, listed_host},
            *needing_points[] = {listed_id, listed_id};
static const struct strings needing_names = {needing_guests, 2}, needing_ids = {needing_points, 2};

const struct event_row event_rows_keep[] = {
    {{EVENT_DAMAGED_PACK,
      .damaged_pack = {"default", "d/default/ef/01-00000000", &needing_names, &needing_ids}},
     "damaged-pack",
     EVENT_AS_ERROR,
     "d/default/ef/01-00000000 is lost or damaged; needed by web@01a2228d8c7747d2, "
     "a@01a2228d8c7747d2; the next backup of each guest stores again what the guest still has of "
     "it",
     "{\"scope\":\"default\",\"pack\":\"d/default/ef/01-00000000\",\"points\":["
     "{\"guest\":\"web\",\"point\":\"01a2228d8c7747d2772f1fe235eda9f9\"},"
     "{\"guest\":\"a\",\"point\":\"01a2228d8c7747d2772f1fe235eda9f9\"}]}"},
    {{EVENT_STATUS, "web", .status = {&two_guests, &status_guests[0], true}},
     "guest-status",
     EVENT_AS_RESULT,
     "GUEST  STATE   NEWEST GOOD POINT           AGE        SIZE         NEW  VERIFIED  "
     "LAST FAILURE\n"
     "web    stale   2026-11-28 14:27:11 +0000   27h      16 MiB       4 MiB       26h  "
     "26h ago, backup on a: disk 'vda' | is gone; 1 of its 3 points damaged",
     "{\"guest\":\"web\",\"uuid\":\"01010101-0101-0101-0101-010101010101\",\"state\":\"stale\","
     "\"on-host\":true,\"point\":\"01a2228d8c7747d2772f1fe235eda9f9\",\"place\":\"a\","
     "\"scope\":\"web\",\"time\":\"2026-11-28T14:27:11Z\",\"age-seconds\":97200,"
     "\"image-size\":16777216,\"new-size\":4194304,\"points\":3,\"damaged\":1,"
     "\"ahead\":0,\"verified\":\"2026-11-28T14:27:12Z\",\"last-failure\":{"
     "\"time\":\"2026-11-28T15:27:11Z\",\"verb\":\"backup\",\"job\":null,\"host\":\"a\","
     "\"status\":1,\"reason\":\"guest 'web': disk 'vda' | is gone\",\"open\":true}}"},
    {{EVENT_STATUS, "a", .status = {&two_guests, &status_guests[1], false}},
     "guest-status",
     EVENT_AS_RESULT,
     "a      gone    never                         -           -           -     never  never; "
     "1 of its 1 points of the future: a clock was wrong",
     "{\"guest\":\"a\",\"uuid\":\"01010101-0101-0101-0101-010101010101\",\"state\":\"gone\","
     "\"on-host\":false,\"points\":1,\"damaged\":0,\"ahead\":1,"
     "\"verified\":null}"},
    {{EVENT_STATUS_TOTAL, .status_total = {&two_guests, false, NULL}},
     "status",
     EVENT_AS_RESULT,
     "1 whose newest is too old, 1 not on this host",
     "{\"guests\":2,\"ok\":0,\"failed\":0,\"stale\":1,\"never\":0,\"gone\":1,"
     "\"max-age-seconds\":93600,\"good\":false}"},
    {{EVENT_STATUS_TOTAL, .status_total = {&two_guests, true, NULL}},
     "status",
     EVENT_AS_RESULT,
     "CRITICAL - 1 whose newest is too old, 1 not on this host | oldest=97200s;;93600;0; "
     "ok=0;;;0; failed=0;0;;0; stale=1;;0;0; never=0;;0;0; gone=1;;;0;\n"
     "web    stale   2026-11-28 14:27:11 +0000   27h      16 MiB       4 MiB       26h  "
     "26h ago, backup on a: disk 'vda' / is gone; 1 of its 3 points damaged",
     "{\"guests\":2,\"ok\":0,\"failed\":0,\"stale\":1,\"never\":0,\"gone\":1,"
     "\"max-age-seconds\":93600,\"good\":false}"},
    {{EVENT_STATUS_TOTAL, .status_total = {&no_guest, true, NULL}},
     "status",
     EVENT_AS_RESULT,
     "OK - no guests | oldest=0s;;1;0; ok=0;;;0; failed=0;0;;0; stale=0;;0;0; never=0;;0;0; "
     "gone=0;;;0;",
     "{\"guests\":0,\"ok\":0,\"failed\":0,\"stale\":0,\"never\":0,\"gone\":0,"
     "\"max-age-seconds\":1,\"good\":true}"},
    {{EVENT_STATUS_TOTAL, .status_total = {NULL, true, "a | b\nc"}},
     "status",
     EVENT_AS_RESULT,
     "UNKNOWN - a / b c",
     "{\"error\":\"a | b\\nc\"}"},

    {{EVENT_BACKED_UP, "web", POINT_ID,
      .backed_up = {.done = {.disks = 1}, .consistency = CONSISTENCY_OFFLINE}},
     "guest-done",
     EVENT_AS_RESULT,
     "guest 'web': backed up as point 0198f3a2c4d51b7e, 1 disk: 0 B stored in 0 B, 0:00",
     "{\"guest\":\"web\",\"point\":\"" POINT_ID "\",\"method\":\"offline\","
     "\"consistency\":\"shut-off\",\"disks\":1,\"memory\":false,\"image-size\":0,"
     "\"stored-size\":0,\"disk-usage\":0,\"elapsed-ms\":0}"},
    {{EVENT_RESTORED, "web", POINT_ID, .restored = {.done = {.disks = 1}, .state = "shut off"}},
     "guest-done",
     EVENT_AS_RESULT,
     "guest 'web': restored from point 0198f3a2c4d51b7e, 1 disk: 0 B from 0 B, 0:00, shut off",
     "{\"guest\":\"web\",\"point\":\"" POINT_ID "\",\"disks\":1,\"memory\":false,"
     "\"image-size\":0,\"stored-size\":0,\"disk-usage\":0,\"elapsed-ms\":0,"
     "\"state\":\"shut off\"}"},
    {{EVENT_RESTORE_PLAN, "new", POINT_ID,
      .restore_plan = {.backup_of = "web",
                       .renamed = true,
                       .source = "/srv",
                       .findings = &no_findings,
                       .children = {.child_memory = 1 << 20, .used = 1}}},
     "plan",
     EVENT_AS_RESULT,
     "guest 'web', point 0198f3a2c4d51b7e: would be restored as new: 0 B from 0 B\n"
     "  memory per child 1 MiB, children used 1: 1 MiB together",
     "{\"guest\":\"new\",\"point\":\"" POINT_ID "\",\"backup-of\":\"web\","
     "\"source\":\"/srv\",\"defined\":false,\"image-size\":0,\"stored-size\":0,"
     "\"disk-usage\":0,\"disks\":[],\"extras\":[],\"left-out\":[],\"findings\":[],"
     "\"memory-per-child\":1048576,\"children\":1,\"children-memory\":1048576}"},
    {{EVENT_LISTED_POINT, "web",
      .listed_point = {&listed_point, .first = true, .scope = "default"}},
     "point",
     EVENT_AS_RESULT,
     "GUEST                POINT      TIME                      STATE    CONSISTENCY      DISKS    "
     "  "
     " SIZE        NEW\n"
     "web                  01a2228d8c 2026-11-28 14:27:11 +0000 shut off offline              2    "
     " "
     "16 MiB      4 MiB  verified  held  #weekly",
     "{\"guest\":\"web\",\"scope\":\"default\",\"point\":\"01a2228d8c7747d2772f1fe235eda9f9\","
     "\"time\":\"2026-11-28T14:27:11Z\",\"host\":\"a\",\"state\":\"shut off\","
     "\"method\":\"offline\",\"consistency\":\"shut-off\",\"disks\":2,\"memory\":false,"
     "\"image-size\":16777216,\"new-size\":4194304,\"complete\":true,\"derived\":false,"
     "\"verified\":true,\"damaged\":false,\"held\":true,\"hold\":{\"by\":\"a\","
     "\"since\":\"2026-11-28T14:27:12Z\",\"reason\":\"before the upgrade\"},\"in-trash\":false,"
     "\"tags\":[\"weekly\"]}"},
    {{EVENT_LISTED_POINT, "web", .listed_point = {&partial_point, .scope = "default"}},
     "point",
     EVENT_AS_RESULT,
     "web                  01a2228d8c 2026-11-28 14:27:11 +0000 -        -                    2    "
     " 16 MiB      4 MiB  partial  DAMAGED",
     "{\"guest\":\"web\",\"scope\":\"default\",\"point\":\"01a2228d8c7747d2772f1fe235eda9f9\","
     "\"time\":\"2026-11-28T14:27:11Z\",\"host\":\"a\",\"disks\":2,\"memory\":false,"
     "\"image-size\":16777216,\"new-size\":4194304,\"complete\":false,\"derived\":false,"
     "\"verified\":false,\"damaged\":true,\"held\":false,\"in-trash\":false,\"tags\":[]}"},
    {{EVENT_LISTED_POINT, "web",
      .listed_point = {&unreadable_point, .first = false, .scope = "default"}},
     "point",
     EVENT_AS_RESULT,
     "web                  01a2228d   UNREADABLE: p/default: its SHA-256 is wrong",
     "{\"guest\":\"web\",\"scope\":\"default\",\"point\":\"01a2228d8c7747d2772f1fe235eda9f9\","
     "\"error\":\"p/default: its SHA-256 is wrong\",\"in-trash\":true,\"held\":false}"},
    {{EVENT_LISTED_POINT, "web",
      .listed_point = {&unreadable_point, .first = true, .scope = "lab", .with_scope = true}},
     "point",
     EVENT_AS_RESULT,
     "SCOPE      GUEST                POINT      TIME                      STATE    CONSISTENCY    "
     "  "
     "DISKS       SIZE        NEW\n"
     "lab        web                  01a2228d   UNREADABLE: p/default: its SHA-256 is wrong",
     "{\"guest\":\"web\",\"scope\":\"lab\",\"point\":\"01a2228d8c7747d2772f1fe235eda9f9\","
     "\"error\":\"p/default: its SHA-256 is wrong\",\"in-trash\":true,\"held\":false}"},
    {{EVENT_LISTED_POINT, "web",
      .listed_point = {&held_point, .with_hold = true, .scope = "default"}},
     "point",
     EVENT_AS_RESULT,
     "web                  01a2228d   UNREADABLE: p/default: its SHA-256 is wrong\n"
     "  held by a since 2026-11-28 14:27:12 +0000: before the upgrade",
     "{\"guest\":\"web\",\"scope\":\"default\",\"point\":\"01a2228d8c7747d2772f1fe235eda9f9\","
     "\"error\":\"p/default: its SHA-256 is wrong\",\"in-trash\":false,\"held\":true,"
     "\"hold\":{\"by\":\"a\",\"since\":\"2026-11-28T14:27:12Z\","
     "\"reason\":\"before the upgrade\"}}"},
    {{EVENT_LISTED_POINT, "web",
      .listed_point = {&strangely_held_point, .with_hold = true, .scope = "default"}},
     "point",
     EVENT_AS_RESULT,
     "web                  01a2228d   UNREADABLE: p/default: its SHA-256 is wrong\n"
     "  held; what the hold says cannot be read",
     "{\"guest\":\"web\",\"scope\":\"default\",\"point\":\"01a2228d8c7747d2772f1fe235eda9f9\","
     "\"error\":\"p/default: its SHA-256 is wrong\",\"in-trash\":false,\"held\":true}"},
    {{EVENT_REMOVED, "web", POINT_ID, .removed = {"2026-05-01T10:00:00Z", "a"}},
     "backup-removed",
     EVENT_AS_RESULT,
     "guest 'web': the point of 2026-05-01 10:00:00 +0000 (0198f3a2c4d51b7e), made on a, is in the "
     "trash; virt-backup undelete takes it out",
     "{\"guest\":\"web\",\"point\":\"" POINT_ID "\",\"time\":\"2026-05-01T10:00:00Z\","
     "\"host\":\"a\"}"},
    {{EVENT_POINT_FAILED, .point_failed = {"web@0198", {ERR_USAGE, "'web@0198' is no point"}}},
     "point-failed",
     EVENT_AS_ERROR,
     "'web@0198' is no point",
     "{\"point\":\"web@0198\",\"kind\":\"usage\",\"error\":\"'web@0198' is no point\"}"},
    POINT_ROWS(EVENT_POINT_HELD, "point-held", " is held", " is held already"),
    POINT_ROWS(EVENT_POINT_RELEASED, "point-released", " is released", " is not held"),
    POINT_ROWS(EVENT_POINT_UNDELETED, "point-undeleted", " is out of the trash",
               " is not in the trash"),
    {{EVENT_POINT_TAGGED, "web",
      .point = {.scope = "default", .id = POINT_ID, .time = POINT_TIME, .tag = "v1"}},
     "point-tagged",
     EVENT_AS_RESULT,
     POINT_TEXT " has the tag 'v1'",
     "{" POINT_JSON ",\"tag\":\"v1\",\"changed\":true}"},
    {{EVENT_POINT_TAGGED, "web",
      .point =
          {.scope = "default", .id = POINT_ID, .time = POINT_TIME, .tag = "v1", .was_so = true}},
     "point-tagged",
     EVENT_AS_RESULT,
     POINT_TEXT " already has the tag 'v1'",
     "{" POINT_JSON ",\"tag\":\"v1\",\"changed\":false}"},
    {{EVENT_POINT_UNTAGGED, "web",
      .point = {.scope = "default", .id = POINT_ID, .time = POINT_TIME, .tag = "v1"}},
     "point-untagged",
     EVENT_AS_RESULT,
     POINT_TEXT " no longer has the tag 'v1'",
     "{" POINT_JSON ",\"tag\":\"v1\",\"changed\":true}"},
    {{EVENT_POINT_UNTAGGED, "web",
      .point =
          {.scope = "default", .id = POINT_ID, .time = POINT_TIME, .tag = "v1", .was_so = true}},
     "point-untagged",
     EVENT_AS_RESULT,
     POINT_TEXT " does not have the tag 'v1'",
     "{" POINT_JSON ",\"tag\":\"v1\",\"changed\":false}"},
    /* its INFO cannot be read */
    {{EVENT_POINT_SET_ASIDE,
      .point = {.scope = "default", .id = POINT_ID, .copy = "x/default/1/2"}},
     "point-set-aside",
     EVENT_AS_RESULT,
     "point 0198f3a2c4d51b7e is set aside as x/default/1/2; the next collection removes what only "
     "it used",
     "{\"guest\":null,\"scope\":\"default\",\"point\":\"" POINT_ID
     "\",\"copy\":\"x/default/1/2\"}"},
    {{EVENT_POINT_PRUNED, "web", .point = POINT},
     "point-pruned",
     EVENT_AS_RESULT,
     POINT_TEXT " is in the trash",
     "{" POINT_JSON "}"},
    {{EVENT_PRUNE_VERDICT, "web",
      .verdict = {POINT, true, RETENTION_BY_OPTION, "keep-daily", "2026-05-01"}},
     "prune-plan",
     EVENT_AS_RESULT,
     "guest 'web': keep  2026-05-01 10:00:00 +0000  0198f3a2c4d51b7e  --keep-daily: 2026-05-01",
     "{" POINT_JSON ",\"keep\":true,\"reason\":\"option\",\"option\":\"keep-daily\","
     "\"period\":\"2026-05-01\"}"},
    {{EVENT_PRUNE_VERDICT, "web", .verdict = {POINT, true, RETENTION_BY_OPTION, "keep-tag"}},
     "prune-plan",
     EVENT_AS_RESULT,
     "guest 'web': keep  2026-05-01 10:00:00 +0000  0198f3a2c4d51b7e  --keep-tag",
     "{" POINT_JSON ",\"keep\":true,\"reason\":\"option\",\"option\":\"keep-tag\"}"},
    {{EVENT_PRUNE_VERDICT, "web", .verdict = {POINT, false, RETENTION_DROPPED}},
     "prune-plan",
     EVENT_AS_RESULT,
     "guest 'web': drop  2026-05-01 10:00:00 +0000  0198f3a2c4d51b7e  no option keeps it",
     "{" POINT_JSON ",\"keep\":false,\"reason\":\"no-option\"}"},
    {{EVENT_PRUNE_VERDICT,
      .verdict = {{.time = POINT_TIME}, true, RETENTION_BY_OPTION, "keep-weekly", "2026-W18"}},
     "prune-plan",
     EVENT_AS_RESULT,
     "keep  2026-05-01 10:00:00 +0000  --keep-weekly: 2026-W18",
     "{\"time\":\"" POINT_TIME "\",\"keep\":true,\"reason\":\"option\",\"option\":\"keep-weekly\","
     "\"period\":\"2026-W18\"}"},
    {{EVENT_POINT_DAMAGED, "web", .point_damaged = {POINT, "1 of its 2 packs are lost or damaged"}},
     "point-damaged",
     EVENT_AS_ERROR,
     POINT_TEXT " is kept, because it is damaged: 1 of its 2 packs are lost or damaged",
     "{" POINT_JSON ",\"kind\":\"corrupt\",\"error\":\"1 of its 2 packs are lost or damaged\"}"},
    {{EVENT_PRUNED, "web", .pruned = {"default", 14, 1, false}},
     "guest-done",
     EVENT_AS_RESULT,
     "guest 'web': 1 point pruned, 14 kept",
     "{\"guest\":\"web\",\"scope\":\"default\",\"pruned\":1,\"kept\":14}"},
    {{EVENT_PRUNED, "web", .pruned = {"default", 14, 2, true}},
     "guest-done",
     EVENT_AS_RESULT,
     "guest 'web': 2 points would be pruned, 14 kept",
     "{\"guest\":\"web\",\"scope\":\"default\",\"pruned\":2,\"kept\":14}"},
    {{EVENT_PRUNE_SKIPPED, "web", .prune_skipped = {"default", POINT_TIME}},
     "guest-skipped",
     EVENT_AS_RESULT,
     "guest 'web': nothing is pruned, because its newest complete point is of 2026-05-01 10:00:00 "
     "+0000",
     "{\"guest\":\"web\",\"scope\":\"default\",\"newest\":\"" POINT_TIME "\"}"},
    {{EVENT_PRUNE_SKIPPED, "web", .prune_skipped = {"default", NULL}},
     "guest-skipped",
     EVENT_AS_RESULT,
     "guest 'web': nothing is pruned, because it has no complete point",
     "{\"guest\":\"web\",\"scope\":\"default\",\"newest\":null}"},
    {{EVENT_SIMULATED, .simulated = {730, 21, 22, true, 3 * GIB / 2, 10 * GIB}},
     "simulation",
     EVENT_AS_RESULT,
     "730 backups, 21 points at the end, at most 22; about 1.50 GiB stored at the end, 10 GiB "
     "written in all",
     "{\"backups\":730,\"points\":21,\"most-points\":22,\"stored-size\":1610612736,"
     "\"written-size\":10737418240}"},
    {{EVENT_SIMULATED, .simulated = {1, 1, 1, false, 0, 0}},
     "simulation",
     EVENT_AS_RESULT,
     "1 backup, 1 point at the end, at most 1",
     "{\"backups\":1,\"points\":1,\"most-points\":1}"},
    {{EVENT_COLLECTION, .collection = {"default", COLLECTION_RESUMED, POINT_TIME, NULL}},
     "collection",
     EVENT_AS_RESULT,
     "scope 'default': goes on with the collection of 2026-05-01 10:00:00 +0000",
     "{\"scope\":\"default\",\"what\":\"resumed\",\"since\":\"" POINT_TIME "\"}"},
    {{EVENT_COLLECTION, .collection = {"default", COLLECTION_ANEW, NULL, "its token is gone"}},
     "collection",
     EVENT_AS_RESULT,
     "scope 'default': the collection starts over: its token is gone",
     "{\"scope\":\"default\",\"what\":\"restarted\",\"reason\":\"its token is gone\"}"},
    {{EVENT_COLLECTION, .collection = {"default", COLLECTION_RESERVE_USED, NULL, NULL}},
     "collection",
     EVENT_AS_RESULT,
     "scope 'default': the store is full; the collection uses its reserve",
     "{\"scope\":\"default\",\"what\":\"reserve-used\"}"},
    {{EVENT_POINT_SPARED, .collect_point = {COLLECT_POINT, .since = POINT_TIME}},
     "point-spared",
     EVENT_AS_DETAIL,
     COLLECT_POINT_TEXT("point") " stays in the trash, where it has been since 2026-05-01 10:00:00 "
                                 "+0000",
     "{" COLLECT_POINT_JSON ",\"since\":\"" POINT_TIME "\",\"held\":false}"},
    {{EVENT_POINT_SPARED, .collect_point = {COLLECT_POINT, .held = true}},
     "point-spared",
     EVENT_AS_DETAIL,
     COLLECT_POINT_TEXT("point") " is held",
     "{" COLLECT_POINT_JSON ",\"held\":true}"},
    {{EVENT_POINT_TAKEN, .collect_point = {COLLECT_POINT}},
     "point-taken",
     EVENT_AS_DETAIL,
     COLLECT_POINT_TEXT("point") " is about to be removed",
     "{" COLLECT_POINT_JSON "}"},
    {{EVENT_POINT_COLLECTED, .collect_point = {COLLECT_POINT}},
     "point-removed",
     EVENT_AS_RESULT,
     COLLECT_POINT_TEXT("point") " is removed",
     "{" COLLECT_POINT_JSON "}"},
    {{EVENT_POINT_STUCK, .collect_point = {COLLECT_POINT, .why = "it is locked"}},
     "point-stuck",
     EVENT_AS_WARNING,
     COLLECT_POINT_TEXT("point") " could not be removed, and stays with all that it needs: it is "
                                 "locked",
     "{" COLLECT_POINT_JSON ",\"error\":\"it is locked\"}"},
    {{EVENT_SESSION_WAITED, .collect_point = {COLLECT_POINT, .since = POINT_TIME}},
     "session-waited",
     EVENT_AS_RESULT,
     COLLECT_POINT_TEXT("session") " has not ended; it was there at 2026-05-01 10:00:00 +0000",
     "{" COLLECT_POINT_JSON ",\"since\":\"" POINT_TIME "\"}"},
    {{EVENT_SESSION_FENCED, .collect_point = {COLLECT_POINT}},
     "session-fenced",
     EVENT_AS_WARNING,
     COLLECT_POINT_TEXT("session") " was taken for dead, because it was silent for too long; if it "
                                   "is still at work, its backup fails",
     "{" COLLECT_POINT_JSON "}"},
    {{EVENT_COLLECTED,
      .collected = {"default", COLLECT_END_DONE, false, 40, 3, 400, 12, 300 * MIB, 0, 1}},
     "collected",
     EVENT_AS_RESULT,
     "scope 'default': 3 of 40 points and 12 of 400 packs removed, 300 MiB",
     "{\"scope\":\"default\",\"outcome\":\"done\",\"points\":40,\"points-removed\":3,"
     "\"packs\":400,\"packs-removed\":12,\"bytes-removed\":314572800,\"sessions-waited\":0,"
     "\"sessions-fenced\":1}"},
    {{EVENT_COLLECTED,
      .collected = {"default", COLLECT_END_DONE, true, 0, 3, 0, 12, 300 * MIB, 0, 0}},
     "collected",
     EVENT_AS_RESULT,
     "scope 'default': 3 points and 12 packs could be removed, 300 MiB",
     "{\"scope\":\"default\",\"outcome\":\"done\",\"points-removed\":3,"
     "\"packs-removed\":12,\"bytes-removed\":314572800,\"sessions-waited\":0,"
     "\"sessions-fenced\":0}"},
    {{EVENT_COLLECTED,
      .collected = {"default", COLLECT_END_UNFINISHED, .points = 1, .packs = 2, .waiting = 2}},
     "collected",
     EVENT_AS_RESULT,
     "scope 'default': waits for 2 sessions before anything is removed; run collect again later, "
     "or with --wait",
     "{\"scope\":\"default\",\"outcome\":\"unfinished\",\"points\":1,\"points-removed\":0,"
     "\"packs\":2,\"packs-removed\":0,\"bytes-removed\":0,\"sessions-waited\":2,"
     "\"sessions-fenced\":0}"},
    {{EVENT_COLLECTED, .collected = {"default", COLLECT_END_STOPPED}},
     "collected",
     EVENT_AS_RESULT,
     "scope 'default': another collection has removed points; the next run starts over",
     "{\"scope\":\"default\",\"outcome\":\"stopped\",\"points-removed\":0,"
     "\"packs-removed\":0,\"bytes-removed\":0,\"sessions-waited\":0,\"sessions-fenced\":0}"},
    {{EVENT_SCOPE_FAILED, .scope_failed = {"b", {ERR_CORRUPT, "scope 'b': unreadable"}}},
     "scope-failed",
     EVENT_AS_ERROR,
     "scope 'b': unreadable",
     "{\"scope\":\"b\",\"kind\":\"corrupt\",\"error\":\"scope 'b': unreadable\"}"},
    {{EVENT_REPOSITORY_MADE, .repository_made = {"/srv/r", "00ff", NULL, true}},
     "repository-made",
     EVENT_AS_RESULT,
     "repository /srv/r is made, with the id 00ff",
     "{\"repository\":\"/srv/r\",\"id\":\"00ff\",\"file-system\":null,\"creates-once\":true}"},
    {{EVENT_REPOSITORY_MADE, .repository_made = {"/srv/r", "00ff", "nfs", false}},
     "repository-made",
     EVENT_AS_RESULT,
     "repository /srv/r is made, with the id 00ff; it is on nfs, where a listing may be old: run "
     "collect on the server itself, or mount it with lookupcache=none,noac; it cannot keep two "
     "writers from creating one name, so collect needs --alone",
     "{\"repository\":\"/srv/r\",\"id\":\"00ff\",\"file-system\":\"nfs\",\"creates-once\":false}"},
};
const size_t event_rows_keep_count = sizeof(event_rows_keep) / sizeof(*event_rows_keep);
