/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "base/log.h"

/* What `say` writes to stderr. */
static void capture(enum log_level level, void (*say)(void), char *text, size_t size)
{
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);

    fflush(stderr);
    dup2(fileno(file), STDERR_FILENO);
    log_set_level(level);
    say();
    log_set_level(LOG_NORMAL);
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
}

static void say_all(void)
{
    log_warn("w%d", 1);
    log_notice("n");
    log_detail("d");
    log_progress("p");
}

static void say_control_characters(void)
{
    log_notice("%s", "a\033[2Jb\nc\rd\x7f \xc2\x9b \xe2\x80\xae \xff");
}

static void the_level_decides_what_is_said(void **state)
{
    char text[512];

    (void)state;
    capture(LOG_QUIET, say_all, text, sizeof(text));
    assert_string_equal(text, "virt-backup: warning: w1\n");
    capture(LOG_NORMAL, say_all, text, sizeof(text));
    assert_string_equal(text, "virt-backup: warning: w1\nvirt-backup: n\n");
    capture(LOG_VERBOSE, say_all, text, sizeof(text));
    assert_string_equal(text, "virt-backup: warning: w1\nvirt-backup: n\nvirt-backup: d\n");
}

static void what_would_steer_a_terminal_is_replaced(void **state)
{
    char text[512];

    (void)state;
    capture(LOG_NORMAL, say_control_characters, text, sizeof(text));
    assert_string_equal(text, "virt-backup: a?[2Jb c?d? ? ? ?\n");
}

static void say_each_kind(void)
{
    log_error("e");
    log_warn("w");
    log_notice("n");
    log_detail("d");
    log_passing("33%");
}

/* capture sends stderr to a temporary file: the journal's stream for the moment */
static void say_to_the_journal(void)
{
    struct stat st;
    char stream[64];

    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    say_each_kind();
    unsetenv("JOURNAL_STREAM");
}

static void the_journal_gets_priorities_and_no_progress(void **state)
{
    char text[512];

    (void)state;
    capture(LOG_VERBOSE, say_to_the_journal, text, sizeof(text));
    assert_string_equal(text, "<3>virt-backup: e\n<4>virt-backup: warning: w\n"
                              "<6>virt-backup: n\n<7>virt-backup: d\n");
    setenv("JOURNAL_STREAM", "1:2", 1); /* of whoever started us; not our stderr any more */
    capture(LOG_VERBOSE, say_each_kind, text, sizeof(text));
    unsetenv("JOURNAL_STREAM");
    assert_string_equal(text, "virt-backup: e\nvirt-backup: warning: w\n"
                              "virt-backup: n\nvirt-backup: d\nvirt-backup: 33%\n");
}

static void say_what_is_no_warning(void)
{
    log_error("e");
    log_notice("n");
    log_warning("shown as an event");
}

struct heard {
    unsigned count;
    char text[128];
};

static void hear(void *opaque, const char *guest, const char *text)
{
    struct heard *heard = opaque;

    heard->count++;
    snprintf(heard->text, sizeof(heard->text), "%s: %s", guest ? guest : "-", text);
}

static void warn_twice(void)
{
    log_warn_guest("web", "%u disks", 2U);
    log_warn("w%d", 1);
}

static void a_listener_gets_each_warning_beside_stderr(void **state)
{
    struct heard heard = {0};
    char text[512];

    (void)state;
    log_set_listener(hear, &heard);
    capture(LOG_QUIET, warn_twice, text, sizeof(text));
    assert_string_equal(text, "virt-backup: warning: guest 'web': 2 disks\n"
                              "virt-backup: warning: w1\n");
    assert_int_equal(heard.count, 2);
    assert_string_equal(heard.text, "-: w1");
    log_warn_guest("web", "%u disks", 2U);
    assert_string_equal(heard.text, "web: 2 disks");
    capture(LOG_QUIET, say_what_is_no_warning, text, sizeof(text));
    assert_int_equal(heard.count, 3);
    log_set_listener(NULL, NULL);
    capture(LOG_QUIET, warn_twice, text, sizeof(text));
    assert_int_equal(heard.count, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_level_decides_what_is_said),
        cmocka_unit_test(a_listener_gets_each_warning_beside_stderr),
        cmocka_unit_test(the_journal_gets_priorities_and_no_progress),
        cmocka_unit_test(what_would_steer_a_terminal_is_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
