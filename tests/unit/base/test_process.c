/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/process.h"
#include "base/quit.h"

#define SH(script) ((const char *const[]){"sh", "-c", script, NULL})

static void output_is_collected(void **state)
{
    CLEANUP_BUF struct buf out = {0};

    (void)state;
    buf_append_str(&out, "before ");
    assert_int_equal(process_run(SH("printf one; printf two"), &out, NULL), 0);
    assert_int_equal(out.len, 13);
    assert_memory_equal(out.data, "before onetwo", 13);
}

static void arguments_pass_through_no_shell(void **state)
{
    static const char *const argv[] = {"printf", "%s", "$(id) `id` ; * 'x'", NULL};
    CLEANUP_BUF struct buf out = {0};

    (void)state;
    assert_int_equal(process_run(argv, &out, NULL), 0);
    assert_memory_equal(out.data, argv[2], strlen(argv[2]));
}

static void much_output_does_not_block(void **state)
{
    CLEANUP_BUF struct buf out = {0};

    (void)state;
    assert_int_equal(process_run(SH("head -c 3000000 /dev/zero"), &out, NULL), 0);
    assert_int_equal(out.len, 3000000);
}

static void too_much_output_is_cut_off(void **state)
{
    CLEANUP_BUF struct buf out = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    assert_fails(process_run(SH("head -c 16777217 /dev/zero"), &out, &err), &err, ERR_IO);
    assert_string_equal(err.text, "sh: its output is too long");
}

static void only_the_head_is_wanted(void **state)
{
    CLEANUP_BUF struct buf out = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    bool more = false;

    (void)state;
    buf_append_str(&out, "- ");
    /* It would go on for ever: a closed pipe does not end it. */
    assert_int_equal(process_run_head(SH("trap '' PIPE; while :; do echo a; done 2>/dev/null"),
                                      &out, 100001, &more, &err),
                     0);
    assert_true(more);
    assert_int_equal(out.len, 100003);
    assert_memory_equal(out.data, "- a\na\na", 7);
    out.len = 0;
    assert_int_equal(process_run_head(SH("printf 12345"), &out, 5, &more, &err), 0);
    assert_false(more);
    assert_int_equal(out.len, 5);
    assert_fails(process_run_head(SH("printf 1; exit 3"), &out, 5, &more, &err), &err, ERR_IO);
}

static void standard_input_is_empty(void **state)
{
    CLEANUP_BUF struct buf out = {0};
    int saved = dup(STDIN_FILENO);
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "ours", 4), 4);
    close(ends[1]);
    dup2(ends[0], STDIN_FILENO);
    int result = process_run(SH("wc -c"), &out, NULL);
    dup2(saved, STDIN_FILENO);
    close(saved);
    close(ends[0]);
    assert_int_equal(result, 0);
    assert_memory_equal(out.data, "0\n", 2);
}

static void the_last_line_on_stderr_is_the_reason(void **state)
{
    static const struct {
        const char *script;
        const char *text;
    } rows[] = {
        {"echo first >&2; echo last line >&2; exit 1", "sh: last line"},
        {"printf 'no newline' >&2; exit 1", "sh: no newline"},
        {"printf 'x\\n\\n\\n' >&2; exit 1", "sh: x"},
        {"printf 'sh: said once\\n' >&2; exit 1", "sh: said once"},
        {"printf 'a\\033[31mb\\tc\\n' >&2; exit 1", "sh: a [31mb c"},
        {"exit 7", "sh: exited with status 7"},
        {"kill -TERM $$", "sh: killed by signal 15 (Terminated)"},
        {"head -c 200000 /dev/zero | tr '\\0' x >&2; echo >&2; echo end >&2; exit 1", "sh: end"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        CLEANUP_ERR struct err err = ERR_INIT;
        assert_fails(process_run(SH(rows[i].script), NULL, &err), &err, ERR_IO);
        assert_string_equal(err.text, rows[i].text);
    }
}

static void a_full_disk_in_the_program_keeps_its_kind(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    assert_fails(
        process_run(SH("echo 'write failed: No space left on device' >&2; exit 1"), NULL, &err),
        &err, ERR_NO_SPACE);
}

static void a_program_that_is_not_there_is_named(void **state)
{
    static const char *const argv[] = {"vb-no-such-program", NULL};
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    assert_fails(process_run(argv, NULL, &err), &err, ERR_NOT_FOUND);
    assert_string_equal(err.text, "vb-no-such-program: cannot run it: No such file or directory");
}

/* What the program starts with: bit n-1 of the mask is signal n. Asked without a
 * shell, which would clear the masks itself. */
static unsigned long long mask_of(const char *script)
{
    const char *const argv[] = {"sed", "-n", script, "/proc/self/status", NULL};
    CLEANUP_BUF struct buf out = {0};

    assert_int_equal(process_run(argv, &out, NULL), 0);
    buf_put_u8(&out, 0);
    return strtoull((const char *)out.data, NULL, 16);
}

static void signals_are_at_their_defaults_in_the_program(void **state)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    sigset_t blocked;
    sigset_t old;

    (void)state;
    assert_int_equal(quit_install(NULL), 0); /* SIGPIPE ignored, the others caught */
    signal(SIGHUP, SIG_IGN);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, &old);
    unsigned long long ignored = mask_of("s/^SigIgn:.//p");
    unsigned long long masked = mask_of("s/^SigBlk:.//p");
    sigprocmask(SIG_SETMASK, &old, NULL);
    signal(SIGHUP, SIG_DFL);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        assert_false(ignored >> (numbers[i] - 1) & 1);
        assert_false(masked >> (numbers[i] - 1) & 1);
    }
}

static void a_filter_works_on_the_descriptors_given(void **state)
{
    static const char *const argv[] = {"tr", "a-z", "A-Z", NULL};
    const struct scratch *scratch = *state;

    scratch_write(scratch, "in", "hello");
    scratch_write(scratch, "out", "");
    CLEANUP_CLOSE int in = openat(scratch->fd, "in", O_RDONLY | O_CLOEXEC);
    CLEANUP_CLOSE int out = openat(scratch->fd, "out", O_WRONLY | O_CLOEXEC);
    assert_int_equal(process_filter(argv, in, out, NULL), 0);
    scratch_assert_text(scratch, "out", "HELLO");
    assert_int_equal(process_filter(argv, -1, out, NULL), 0);
}

static void a_filter_that_fails_says_why(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP_ERR struct err err = ERR_INIT;

    scratch_write(scratch, "out", "");
    CLEANUP_CLOSE int out = openat(scratch->fd, "out", O_WRONLY | O_CLOEXEC);
    assert_fails(process_filter(SH("echo bad input >&2; exit 2"), -1, out, &err), &err, ERR_IO);
    assert_string_equal(err.text, "sh: bad input");
}

static void other_descriptors_are_not_inherited(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP_BUF struct buf out = {0};
    CLEANUP_CLOSE int fd = -1;
    char script[64];

    assert_int_equal(io_open_in(scratch->fd, "f", O_RDWR | O_CREAT, 0600, &fd, NULL), 0);
    snprintf(script, sizeof(script), "test -e /proc/self/fd/%d || echo closed", fd);
    assert_int_equal(process_run(SH(script), &out, NULL), 0);
    assert_int_equal(out.len, 7);
}

static void programs_write_no_core(void **state)
{
    CLEANUP_BUF struct buf output = {0};
    struct rlimit limit;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_CORE, &limit), 0);
    if (limit.rlim_max == 0)
        skip(); /* nothing does here */
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_CORE, &limit), 0);
    assert_int_equal(process_run(SH("ulimit -c"), &output, NULL), 0);
    assert_int_equal(output.len, 2);
    assert_memory_equal(output.data, "0\n", 2);
}

static void hidden_process_is_not_dumpable(void **state)
{
    int status = 0;

    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        process_hide();
        _exit(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_is_collected),
        cmocka_unit_test(arguments_pass_through_no_shell),
        cmocka_unit_test(much_output_does_not_block),
        cmocka_unit_test(too_much_output_is_cut_off),
        cmocka_unit_test(only_the_head_is_wanted),
        cmocka_unit_test(standard_input_is_empty),
        cmocka_unit_test(the_last_line_on_stderr_is_the_reason),
        cmocka_unit_test(a_full_disk_in_the_program_keeps_its_kind),
        cmocka_unit_test(a_program_that_is_not_there_is_named),
        cmocka_unit_test(signals_are_at_their_defaults_in_the_program),
        cmocka_unit_test_setup_teardown(a_filter_works_on_the_descriptors_given, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(a_filter_that_fails_says_why, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(other_descriptors_are_not_inherited, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test(programs_write_no_core),
        cmocka_unit_test(hidden_process_is_not_dumpable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
