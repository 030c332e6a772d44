/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A managed-save image: the memory of a shut-off guest, kept by libvirt to resume it at its next
 * start.
 */
#pragma once

#include "base/err.h"
#include "guest/guest.h"

/* Its path, a save image that belongs to root, and the XML in it. The caller frees both. Not found:
 * the guest has none, or it is not where libvirt keeps them. */
int guest_managed_save(struct guest *guest, char **ret_path, char **ret_xml, struct err *err);
