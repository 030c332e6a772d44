/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whether a libvirt URI is of this host.
 */
#pragma once

#include "base/err.h"

/* 0 if the URI (or an alias of libvirt.conf, which tells nothing yet) is of this
 * host; else -1, unsupported, with the reason and the remedy. */
int uri_check_local(const char *uri, struct err *err);
