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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_level_decides_what_is_said),
        cmocka_unit_test(what_would_steer_a_terminal_is_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
