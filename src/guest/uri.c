/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/uri.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"

/* The host in driver[+transport]://[user@]host[:port]/path; NULL if there is none. */
static char *server_of(const char *uri)
{
    const char *start = strstr(uri, "://");

    if (!start)
        return NULL;
    start += 3;
    size_t len = strcspn(start, "/?#");
    const char *at = memrchr(start, '@', len);
    if (at) {
        len -= (size_t)(at + 1 - start);
        start = at + 1;
    }
    const char *bracket = *start == '[' ? memchr(start, ']', len) : NULL;
    if (bracket)
        return mem_strndup(start + 1, (size_t)(bracket - start - 1));
    len = strcspn(start, ":") < len ? strcspn(start, ":") : len;
    return len > 0 ? mem_strndup(start, len) : NULL;
}

static bool is_loopback(const char *server)
{
    static const char *const names[] = {"localhost",  "localhost.localdomain", "localhost4",
                                        "localhost6", "ip6-localhost",         "::1"};

    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (strcasecmp(server, names[i]) == 0)
            return true;
    return strncmp(server, "127.", 4) == 0 && strspn(server, "0123456789.") == strlen(server);
}

/* True for the host's full name, or the first part of it. */
static bool is_own_name(const char *server)
{
    char own[HOST_NAME_MAX + 1] = "";

    if (gethostname(own, sizeof(own) - 1) < 0)
        return false;
    size_t first = strcspn(own, ".");
    return strcasecmp(server, own) == 0 ||
           (first > 0 && strlen(server) == first && strncasecmp(server, own, first) == 0);
}

int uri_check_local(const char *uri, struct err *err)
{
    CLEANUP_FREE char *server = server_of(uri);

    if (!server || is_loopback(server) || is_own_name(server))
        return 0;
    return err_set(
        err, ERR_UNSUPPORTED,
        "%s is the libvirt of another host; the disk images are on %s, so run virt-backup there",
        uri, server);
}
