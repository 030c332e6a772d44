/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/managed_save.h"

#include <unistd.h>

#include "base/shell.h"
#include "guest/bounded.h"
#include "guest/connection.h"
#include "guest/driver_folder.h"
#include "guest/libvirt_error.h"

int guest_managed_save(struct guest *guest, char **ret_path, char **ret_xml, struct err *err)
{
    BOUNDED_CALLS(&bounded_slow);

    virDomainPtr domain CLEANUP_DOMAIN = NULL;
    CLEANUP_FREE char *folder = NULL;

    if (connection_domain(guest, &domain, err) < 0)
        return -1;
    char *xml = virDomainManagedSaveGetXMLDesc(domain, VIR_DOMAIN_SAVE_IMAGE_XML_SECURE);
    CLEANUP_FREE char *remove = shell_virsh("managedsave-remove", virDomainGetName(domain));
    if (!xml) {
        libvirt_error(err, "cannot read its XML");
        /* The guest does not start from such an image either. */
        return hypervisor_alive(guest->hypervisor)
                   ? err_append(err,
                                "if it is damaged, discard it, so that the guest boots and its "
                                "disks can be backed up: %s",
                                remove)
                   : -1;
    }
    folder = driver_folder(guest->hypervisor->uri);
    CLEANUP_FREE char *path = mem_printf("%s/save/%s.save", folder, virDomainGetName(domain));
    if (access(path, F_OK) < 0) { /* a session keeps them beside its other state, not in it */
        free(path);
        path = mem_printf("%s/../save/%s.save", folder, virDomainGetName(domain));
    }
    /* Another libvirt may keep them elsewhere; its API does not say. */
    if (access(path, F_OK) < 0) {
        free(xml);
        return err_set(err, ERR_NOT_FOUND,
                       "is not at %s; start the guest, or discard the image: %s", path, remove);
    }
    *ret_path = TAKE_PTR(path);
    *ret_xml = xml;
    return 0;
}
