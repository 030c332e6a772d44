/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whether a libvirt URI refers to this host.
 */
#pragma once

#include "base/err.h"

/* 0 if the URI refers to this host (or is an alias of libvirt.conf, whose meaning is not known
 * yet); else -1, unsupported, with the reason and the remedy. */
int uri_check_local(const char *uri, struct err *err);
