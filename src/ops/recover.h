/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The verb recover: puts back the guests whose run has died and whose guardian
 * has died too, or could not reach libvirt. Run at the start of backup and
 * restore as well.
 */
#pragma once

#include "base/err.h"
#include "ops/report.h"

int recover_run(const struct report *report, struct outcome *ret_outcome, struct err *err);
