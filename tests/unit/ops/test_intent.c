/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/undo/intent.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/text.h"
#include "base/units.h"

#define SAMPLES 10

#define CHECKPOINT "vb-0123456789abcdef-00112233445566778899aabbccddeeff"

static int samples_fd(const char *version)
{
    CLEANUP_FREE char *path = mem_printf(TEST_JOURNALS "/%s", version);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

static void read_sample_of(const char *version, const char *name, struct intent *ret)
{
    CLEANUP_CLOSE int fd = samples_fd(version);
    CLEANUP_ERR struct err err = ERR_INIT;

    if (intent_read(fd, name, ret, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(ret->uuid, name);
    assert_string_equal(ret->name, "web");
    assert_true(ret->pid == 4711 && ret->pid_started == 123456);
}

static void read_sample(const char *name, struct intent *ret)
{
    read_sample_of("version-1", name, ret);
    assert_string_equal(ret->since, "2026-05-01 03:00:00");
}

/* ---- journals of version 1 ------------------------------------------------------------------ */

static void each_journal_of_version_1_is_read(void **state)
{
    CLEANUP_CLOSE int fd = samples_fd("version-1");
    CLEANUP_STRINGS struct strings uuids = {0};

    (void)state;
    assert_int_equal(intent_list(fd, &uuids, NULL), 0);
    assert_int_equal(uuids.count, SAMPLES);
    for (size_t i = 0; i < uuids.count; i++) {
        CLEANUP_INTENT struct intent intent = {0};
        bool restore = strncmp(uuids.items[i], "restore-", 8) == 0;
        read_sample(uuids.items[i], &intent);
        assert_int_equal(intent.kind, restore ? INTENT_RESTORE : INTENT_BACKUP);
    }
}

static void a_save_of_version_1_is_known(void **state)
{
    CLEANUP_INTENT struct intent intent = {0};

    (void)state;
    read_sample("backup-save", &intent);
    assert_true(intent.saved && intent.was_running && intent.persistent);
    assert_false(intent.held || intent.frozen);
    assert_null(intent.socket);
    assert_string_equal(intent.uri, "qemu:///system");
    assert_string_equal(intent.memory, "/backup/.vb-5d1c0f7a9e3b2846-memory.scratch");
    assert_string_equal(intent.archive, "/backup");
    assert_non_null(strstr(intent.live_xml, "<title>\xc3\xa9\"\\</title>"));
}

static void a_pause_of_version_1_is_known(void **state)
{
    CLEANUP_INTENT struct intent intent = {0};

    (void)state;
    read_sample("backup-pause", &intent);
    assert_true(intent.held && intent.was_running);
    assert_false(intent.saved || intent.frozen);
    assert_string_equal(intent.socket, "/var/lib/libvirt/qemu/domain-1-web/vb-4711.sock");
    assert_int_equal(intent.scratch_count, 2);
    assert_string_equal(intent.scratch[1],
                        "/var/lib/libvirt/qemu/domain-1-web/vb-4711-2f6a3c1e-vdb.scratch");
}

static void a_replacing_restore_of_version_1_is_known(void **state)
{
    CLEANUP_INTENT struct intent intent = {0};

    (void)state;
    read_sample("restore-replaced", &intent);
    assert_int_equal(intent.file_count, 1);
    assert_string_equal(intent.files[0].path, "/restored/vda.qcow2");
    assert_string_equal(intent.defined, "restore-replaced");
    assert_true(intent.old_autostart && intent.in_place && intent.old_xml);
    assert_int_equal(intent.former_count, 1);
    assert_non_null(strstr(intent.formers[0].path, "permall.replaced"));
    assert_true(text_ends(intent.formers[0].from, "permall"));
    assert_false(intent.outdated);
}

static void a_replacing_restore_of_version_2_is_known(void **state)
{
    CLEANUP_INTENT struct intent intent = {0};

    (void)state;
    read_sample_of("version-2", "restore-replaced", &intent);
    assert_int_equal(intent.kind, INTENT_RESTORE);
    assert_int_equal(intent.file_count, 2);
    assert_int_equal(intent.former_count, 1);
    assert_true(text_ends(intent.formers[0].path, "permall.replaced"));
    assert_string_equal(intent.formers[0].from, intent.files[1].path);
    assert_false(intent.outdated || intent.formers[0].id.inode);
    assert_string_equal(intent.old_points.current, "first");
}

static void what_a_restore_of_version_2_has_replaced_is_known(void **state)
{
    CLEANUP_INTENT struct intent intent = {0};

    (void)state;
    read_sample_of("version-2", "restore-started", &intent);
    assert_int_equal(intent.former_count, 1);
    assert_true(text_ends(intent.formers[0].path, "permall.replaced"));
    assert_true(intent.outdated && intent.resumed && !intent_is_empty(&intent));
}

static void backups_of_versions_3_and_4_are_known(void **state)
{
    CLEANUP_INTENT struct intent save = {0};
    CLEANUP_INTENT struct intent intent = {0};

    (void)state;
    read_sample_of("version-4", "backup-save", &save);
    assert_true(save.saved && save.memory && !save.started);
    assert_string_equal(save.checkpoint, CHECKPOINT);
    read_sample_of("version-3", "backup-pause", &intent);
    assert_int_equal(intent.kind, INTENT_BACKUP);
    assert_true(intent.held && intent.was_running && intent_holds_guest(&intent));
    assert_int_equal(intent.scratch_count, 2);
    assert_true(!intent.checkpoint && !intent.committing && intent.recorded.count == 0 &&
                intent.checkpoint_images.count == 0);
}

static void a_replacing_restore_of_version_3_is_known(void **state)
{
    CLEANUP_INTENT struct intent intent = {0};

    (void)state;
    read_sample_of("version-3", "restore-replaced", &intent);
    assert_int_equal(intent.kind, INTENT_RESTORE);
    assert_int_equal(intent.file_count, 2);
    assert_int_equal(intent.former_count, 1);
    assert_string_equal(intent.formers[0].from, intent.files[1].path);
    assert_int_equal(intent.formers[0].id.inode, 4711);
    assert_false(intent.outdated);
}

static void a_former_file_without_a_place_is_refused(void **state)
{
    static const char text[] = "{\"version\":3,\"kind\":\"restore\",\"pid\":1,\"pid-started\":1,"
                               "\"uuid\":\"u\",\"name\":\"n\",\"formers\":[{\"path\":\"/a\"%s}]}";
    static const char *const bad[] = {"", ",\"from\":null", ",\"from\":\"relative\""};
    CLEANUP_INTENT struct intent good = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        CLEANUP_INTENT struct intent intent = {0};
        CLEANUP_FREE char *journal = mem_printf(text, bad[i]);
        assert_int_equal(intent_parse(journal, strlen(journal), &intent, NULL), -1);
    }
    CLEANUP_FREE char *journal = mem_printf(text, ",\"from\":\"/b\"");
    assert_int_equal(intent_parse(journal, strlen(journal), &good, NULL), 0);
}

static void a_restore_of_version_1_that_touched_no_guest_is_known(void **state)
{
    CLEANUP_INTENT struct intent intent = {0};

    (void)state;
    read_sample("restore-files", &intent);
    assert_null(intent.uri);
    assert_int_equal(intent.file_count, 2);
}

/* ---- what is written is read ------------------------------------------------------------------ */

static void copy_by_text(const struct intent *intent, struct intent *ret)
{
    CLEANUP_FREE char *text = intent_format(intent);
    CLEANUP_ERR struct err err = ERR_INIT;

    if (intent_parse(text, strlen(text), ret, &err) < 0)
        fail_msg("%s", err.text);
}

/* Every field has a value of its own: two that are swapped would be seen. */
static void fill(struct intent *intent, bool odd)
{
    *intent = (struct intent){
        .kind = odd ? INTENT_RESTORE : INTENT_BACKUP,
        .pid = 1,
        .pid_started = UINT64_C(1) << 60,
        .since = mem_strdup("since"),
        .uri = mem_strdup("uri"),
        .uuid = mem_strdup("uuid"),
        .name = mem_strdup("name"),
        .trouble = mem_strdup("trouble"),
        .persistent = odd,
        .was_running = !odd,
        .socket = mem_strdup("socket"),
        .frozen = odd,
        .held = !odd,
        .saved = odd,
        .started = !odd,
        .memory = mem_strdup("memory"),
        .live_xml = mem_strdup("live xml"),
        .archive = mem_strdup("archive"),
        .checkpoint = mem_strdup(CHECKPOINT),
        .committing = odd,
        .defined = mem_strdup("defined"),
        .old_xml = mem_strdup("old xml"),
        .old_autostart = !odd,
        .old_points.current = mem_strdup("snapshot 1"),
        .in_place = odd,
        .outdated = odd,
        .resumed = mem_strdup("resumed"),
    };
    strings_add(&intent->old_points.snapshots, "<snapshot 1/>");
    strings_add(&intent->old_points.snapshots, "<snapshot 2/>");
    strings_add(&intent->old_points.checkpoints, "<checkpoint/>");
    intent_add_scratch(intent, "scratch 1");
    intent_add_scratch(intent, "scratch 2");
    strings_add(&intent->recorded, "vda");
    strings_add(&intent->recorded, "vdb");
    strings_add(&intent->checkpoint_images, "image 1");
    intent_add_file(intent, "file 1", &(struct file_id){1, 2, 3});
    intent_add_former(intent, "aside 1", "/from 1", &(struct file_id){4, 5, 6});
    intent_add_former(intent, "aside 2", "/from 2", &(struct file_id){7, 8, 9});
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    for (int odd = 0; odd < 2; odd++) {
        CLEANUP_INTENT struct intent intent = {0};
        CLEANUP_INTENT struct intent copy = {0};
        fill(&intent, odd);
        copy_by_text(&intent, &copy);
        CLEANUP_FREE char *text = intent_format(&intent);
        CLEANUP_FREE char *again = intent_format(&copy);
        assert_string_equal(text, again);
        assert_true(copy.kind == intent.kind && copy.pid_started == intent.pid_started);
        assert_true(copy.persistent == odd && copy.was_running == !odd && copy.frozen == odd &&
                    copy.held == !odd && copy.saved == odd && copy.started == !odd &&
                    copy.old_autostart == !odd && copy.in_place == odd);
        assert_string_equal(copy.live_xml, "live xml");
        assert_int_equal(copy.former_count, 2);
        assert_string_equal(copy.formers[0].path, "aside 1");
        assert_string_equal(copy.formers[1].from, "/from 2");
        assert_true(file_id_same(&copy.formers[1].id, &(struct file_id){7, 8, 9}));
        assert_true(copy.outdated == odd);
        assert_string_equal(copy.resumed, "resumed");
        assert_int_equal(copy.old_points.snapshots.count, 2);
        assert_string_equal(copy.old_points.snapshots.items[1], "<snapshot 2/>");
        assert_string_equal(copy.old_points.checkpoints.items[0], "<checkpoint/>");
        assert_string_equal(copy.old_points.current, "snapshot 1");
        assert_int_equal(copy.scratch_count, 2);
        assert_string_equal(copy.scratch[1], "scratch 2");
        assert_string_equal(copy.checkpoint, CHECKPOINT);
        assert_int_equal(copy.recorded.count, 2);
        assert_string_equal(copy.recorded.items[1], "vdb");
        assert_int_equal(copy.checkpoint_images.count, 1);
        assert_string_equal(copy.checkpoint_images.items[0], "image 1");
        assert_true(copy.committing == odd);
        assert_string_equal(copy.files[0].path, "file 1");
        assert_true(file_id_same(&copy.files[0].id, &(struct file_id){1, 2, 3}));
    }
}

static void what_is_not_there_stays_so(void **state)
{
    CLEANUP_INTENT struct intent intent = {.uuid = mem_strdup("u"), .name = mem_strdup("n")};
    CLEANUP_INTENT struct intent copy = {0};

    (void)state;
    copy_by_text(&intent, &copy);
    assert_null(copy.uri);
    assert_null(copy.memory);
    assert_int_equal(copy.file_count, 0);
    assert_true(intent_is_empty(&copy));
}

static void paths_are_read_back_byte_by_byte(void **state)
{
    CLEANUP_INTENT struct intent intent = {0};
    CLEANUP_INTENT struct intent copy = {0};
    static const char path[] = "/backup/s\xe9rie/\xff\"\\\n.sav";

    (void)state;
    fill(&intent, false);
    free(intent.memory);
    intent.memory = mem_strdup(path);
    intent_add_file(&intent, path, NULL);
    copy_by_text(&intent, &copy);
    assert_string_equal(copy.memory, path);
    assert_string_equal(copy.files[1].path, path);
}

/* Such a one would be refused by whoever is to undo it. */
static void a_journal_that_nobody_would_read_is_not_written(void **state)
{
    char folder[] = "/tmp/vb-intent-XXXXXX";
    CLEANUP_INTENT struct intent intent = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_CLOSE int state_fd = -1;
    size_t size = (size_t)33 << 20;
    char *xml = mem_alloc(size + 1);

    (void)state;
    fill(&intent, true);
    memset(xml, 'x', size);
    xml[size] = '\0';
    strings_take(&intent.old_points.snapshots, xml);
    assert_non_null(mkdtemp(folder));
    assert_int_equal(io_open_dir(folder, &state_fd, NULL), 0);
    assert_int_equal(intent_write(state_fd, &intent, &err), -1);
    assert_non_null(strstr(err.text, "too many snapshots"));
    assert_false(intent_exists(state_fd, "uuid"));
    assert_int_equal(rmdir(folder), 0);
}

#define WITH_CHECKPOINT(uri, name, disks)                                                          \
    "{\"version\":4,\"kind\":\"backup\",\"pid\":1,\"pid-started\":1,\"uuid\":\"u\",\"name\":"      \
    "\"n\"," uri "\"checkpoint\":\"" name "\",\"checkpoint-disks\":[" disks "]}"

static void refused(const char *text)
{
    CLEANUP_INTENT struct intent intent = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    assert_int_equal(intent_parse(text, strlen(text), &intent, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
}

static void a_checkpoint_is_something_to_undo(void **state)
{
    static const char text[] = WITH_CHECKPOINT("\"uri\":\"x\",", CHECKPOINT, "{\"name\":\"vda\"}");
    CLEANUP_INTENT struct intent intent = {0};

    (void)state;
    assert_int_equal(intent_parse(text, strlen(text), &intent, NULL), 0);
    assert_false(intent_is_empty(&intent));
    assert_false(intent_holds_guest(&intent));
    intent_forget_checkpoint(&intent);
    assert_true(intent_is_empty(&intent));
}

static void what_is_no_whole_journal_is_refused(void **state)
{
    (void)state;
    refused("");
    refused("{\"version\":2,\"kind\":\"backup\",\"pid\":1,\"uuid\":\"u\",\"name\":\"n\"}");
    refused("{\"version\":2,\"pid\":1,\"pid-started\":1,\"uuid\":\"u\",\"name\":\"n\"}");
    refused("{\"version\":2,\"kind\":\"game\",\"pid\":1,\"pid-started\":1,\"uuid\":\"u\","
            "\"name\":\"n\"}");
    refused("{\"version\":2,\"kind\":\"backup\",\"pid\":1,\"pid-started\":1,\"uuid\":\"\","
            "\"name\":\"n\"}");
    refused("{\"version\":2,\"kind\":\"backup\",\"pid\":1,\"pid-started\":1,\"uuid\":\"u\","
            "\"name\":\"n\",\"held\":true}");
    refused("{\"version\":2,\"kind\":\"backup\",\"pid\":1,\"pid-started\":1,\"uuid\":\"u\","
            "\"name\":\"n\",\"memory\":1}");
    refused(WITH_CHECKPOINT("\"uri\":\"x\",", "daily", "{\"name\":\"vda\"}"));
    refused(WITH_CHECKPOINT("\"uri\":\"x\",", CHECKPOINT, ""));
    refused(WITH_CHECKPOINT("", CHECKPOINT, "{\"name\":\"vda\"}"));
    refused("{\"version\":2,\"kind\":\"restore\",\"pid\":1,\"pid-started\":1,\"uuid\":\"u\","
            "\"name\":\"n\",\"files\":[{\"path\":{\"hex\":\"4\"}}]}");
}

static void the_owner_is_told_by_its_start_too(void **state)
{
    CLEANUP_INTENT struct intent intent = {0};

    (void)state;
    intent_sign(&intent, INTENT_BACKUP);
    assert_true(intent_owner_lives(&intent));
    intent.pid_started++;
    assert_false(intent_owner_lives(&intent));
}

/* ---- a run that is stopped --------------------------------------------------------------------- */

static void a_journal_is_taken_over_once_and_in_place(void **state)
{
    char folder[] = "/tmp/vb-intent-XXXXXX";
    CLEANUP_INTENT struct intent intent = {0};
    CLEANUP_INTENT struct intent taken = {0};
    CLEANUP_CLOSE int state_fd = -1;
    CLEANUP_CLOSE int lock = -1;
    struct stat before;
    struct stat after;
    int again = -1;

    (void)state;
    fill(&intent, false);
    free(intent.name);
    intent.name = mem_strdup("\"taken-over\":false");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(io_open_dir(folder, &state_fd, NULL), 0);
    assert_int_equal(intent_write(state_fd, &intent, NULL), 0);
    assert_false(intent_is_taken(state_fd, "uuid"));
    assert_int_equal(fstatat(state_fd, "uuid.intent", &before, 0), 0);
    assert_int_equal(intent_take_over(state_fd, "uuid", &lock, NULL), 0);
    assert_int_equal(fstatat(state_fd, "uuid.intent", &after, 0), 0);
    assert_true(before.st_ino == after.st_ino && before.st_size == after.st_size);
    assert_true(intent_is_taken(state_fd, "uuid"));
    assert_int_equal(intent_take_over(state_fd, "uuid", &again, NULL), -1);
    assert_int_equal(intent_read(state_fd, "uuid", &taken, NULL), 0);
    assert_true(taken.taken_over);
    assert_string_equal(taken.name, intent.name);
    assert_string_equal(taken.resumed, "resumed");
    /* The run waits for whoever has taken it over. */
    uint64_t begun_ms = units_now_ms();
    intent_wait_taken(state_fd, "uuid", 100);
    assert_true(units_now_ms() - begun_ms >= 100);
    assert_int_equal(intent_remove(state_fd, "uuid", NULL), 0);
    assert_true(intent_is_taken(state_fd, "uuid"));
    assert_int_equal(rmdir(folder), 0);
}

static void a_stopped_process_is_told_from_one_that_waits(void **state)
{
    int status = 0;

    (void)state;
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    assert_false(intent_process_is_stopped(pid));
    assert_int_equal(kill(pid, SIGSTOP), 0);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(intent_process_is_stopped(pid));
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_false(intent_process_is_stopped(pid));
}

/* It is no damage: the program that has written it can read it. */
static void a_journal_of_a_newer_version_is_left_to_that(void **state)
{
    CLEANUP_INTENT struct intent intent = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    static const char text[] = "{\"version\":99,\"kind\":\"backup\"}";

    (void)state;
    assert_int_equal(intent_parse(text, strlen(text), &intent, &err), -1);
    assert_int_equal(err.kind, ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "a newer version of virt-backup"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_journal_of_version_1_is_read),
        cmocka_unit_test(a_save_of_version_1_is_known),
        cmocka_unit_test(a_pause_of_version_1_is_known),
        cmocka_unit_test(a_replacing_restore_of_version_1_is_known),
        cmocka_unit_test(a_restore_of_version_1_that_touched_no_guest_is_known),
        cmocka_unit_test(a_replacing_restore_of_version_2_is_known),
        cmocka_unit_test(what_a_restore_of_version_2_has_replaced_is_known),
        cmocka_unit_test(backups_of_versions_3_and_4_are_known),
        cmocka_unit_test(a_replacing_restore_of_version_3_is_known),
        cmocka_unit_test(a_former_file_without_a_place_is_refused),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(what_is_not_there_stays_so),
        cmocka_unit_test(paths_are_read_back_byte_by_byte),
        cmocka_unit_test(a_journal_that_nobody_would_read_is_not_written),
        cmocka_unit_test(a_checkpoint_is_something_to_undo),
        cmocka_unit_test(what_is_no_whole_journal_is_refused),
        cmocka_unit_test(a_journal_is_taken_over_once_and_in_place),
        cmocka_unit_test(a_stopped_process_is_told_from_one_that_waits),
        cmocka_unit_test(the_owner_is_told_by_its_start_too),
        cmocka_unit_test(a_journal_of_a_newer_version_is_left_to_that),
    };

    return cmocka_run_group_tests_name("intent", tests, NULL, NULL);
}
