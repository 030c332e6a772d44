/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/ask.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/out.h"
#include "base/quit.h"
#include "base/terminal.h"

#define ANSWER_MAX 4096

bool ask_is_possible(void)
{
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

/* False: a signal came. */
static bool await_answer(int fd)
{
    struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = quit_fd(), .events = POLLIN}};

    while (!quit_requested())
        if (poll(fds, 2, -1) > 0)
            return !fds[1].revents;
    return false;
}

/* Byte by byte: what comes after the line is the answer to another question. */
static bool read_answer(int fd, struct buf *answer)
{
    while (await_answer(fd)) {
        char byte = '\0';
        ssize_t len = read(fd, &byte, 1);
        if (len < 0 && errno == EINTR)
            continue;
        if (len <= 0)
            return false;
        if (byte == '\n') {
            buf_put_u8(answer, '\0');
            return true;
        }
        if (byte == '\0' || answer->len >= ANSWER_MAX)
            return false;
        buf_put_u8(answer, (uint8_t)byte);
    }
    return false;
}

static char *trim_answer(const char *text)
{
    size_t len = strlen(text);

    while (isspace((unsigned char)*text))
        text++, len--;
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        len--;
    return mem_strndup(text, len);
}

char *ask_line_from(int fd, const char *question)
{
    CLEANUP_BUF struct buf answer = {0};
    CLEANUP_FREE char *line = mem_printf("%s ", question);
    CLEANUP_FREE char *shown = terminal_safe(line);

    log_progress("");
    out_write(OUT_MESSAGES, shown);
    if (!read_answer(fd, &answer)) {
        out_write(OUT_MESSAGES, "\n");
        return NULL;
    }
    return trim_answer((const char *)answer.data);
}

bool ask_yes_from(int fd, const char *question)
{
    CLEANUP_FREE char *whole = mem_printf("%s [y/N]", question);
    CLEANUP_FREE char *answer = ask_line_from(fd, whole);

    return answer && (strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0);
}

char *ask_line(const char *question)
{
    return ask_line_from(STDIN_FILENO, question);
}

bool ask_yes(const char *question)
{
    return ask_yes_from(STDIN_FILENO, question);
}
