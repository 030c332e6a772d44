/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/notify.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/terminal.h"
#include "base/units.h"

/* False: there is no such socket, or it is of a kind that is not known here. */
static bool notify_address(struct sockaddr_un *address, socklen_t *ret_len)
{
    const char *name = getenv("NOTIFY_SOCKET");
    size_t len = name ? strlen(name) : 0;

    if (len < 2 || len >= sizeof(address->sun_path) || (*name != '/' && *name != '@'))
        return false;
    memcpy(address->sun_path, name, len);
    if (*name == '@')
        address->sun_path[0] = '\0';
    /* An abstract name has no NUL at its end: one would belong to it. */
    *ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (*name == '/'));
    return true;
}

bool notify_send(const char *assignments)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t len = 0;

    if (!notify_address(&address, &len))
        return false;
    CLEANUP_CLOSE int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return sock >= 0 && sendto(sock, assignments, strlen(assignments), MSG_NOSIGNAL | MSG_DONTWAIT,
                               (const struct sockaddr *)&address, len) >= 0;
}

bool notify_status(const char *text)
{
    CLEANUP_FREE char *safe = terminal_safe_line(text);
    CLEANUP_FREE char *assignment = mem_printf("STATUS=%s", safe);

    return notify_send(assignment);
}

uint64_t notify_watchdog_ms(void)
{
    const char *interval = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    uint64_t number = 0;

    /* The variables may be inherited from the process that they are meant for. */
    if (pid &&
        (units_parse_number(pid, 1, INT32_MAX, &number, NULL) < 0 || number != (uint64_t)getpid()))
        return 0;
    if (!interval || units_parse_number(interval, 1000, UINT64_MAX, &number, NULL) < 0)
        return 0;
    return number / 1000;
}
