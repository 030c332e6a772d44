/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Preloaded: the first call of the function of libvirt that VIRT_BACKUP_HALT_AT names waits. The file
 * VIRT_BACKUP_HALT_FILE then appears; when somebody has removed it, the call is made.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libvirt/libvirt.h>

#define POLL_MS 5

static void halt_at(const char *call)
{
    static int halted;
    const char *wanted = getenv("VIRT_BACKUP_HALT_AT");
    const char *path = getenv("VIRT_BACKUP_HALT_FILE");

    if (!wanted || !path || strcmp(wanted, call) != 0 || halted++)
        return;
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    while (access(path, F_OK) == 0)
        poll(NULL, 0, POLL_MS);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

char *virConnectGetDomainCapabilities(virConnectPtr connection, const char *emulator,
                                      const char *arch, const char *machine, const char *type,
                                      unsigned flags)
{
    halt_at(__func__);
    return REAL(virConnectGetDomainCapabilities)(connection, emulator, arch, machine, type, flags);
}

int virDomainGetJobStats(virDomainPtr domain, int *type, virTypedParameterPtr *params, int *count,
                         unsigned flags)
{
    halt_at(__func__);
    return REAL(virDomainGetJobStats)(domain, type, params, count, flags);
}

int virDomainSaveFlags(virDomainPtr domain, const char *to, const char *xml, unsigned flags)
{
    halt_at(__func__);
    return REAL(virDomainSaveFlags)(domain, to, xml, flags);
}

int virDomainBackupBegin(virDomainPtr domain, const char *backup, const char *checkpoint,
                         unsigned flags)
{
    halt_at(__func__);
    return REAL(virDomainBackupBegin)(domain, backup, checkpoint, flags);
}
