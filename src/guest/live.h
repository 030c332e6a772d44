/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Captures a running guest. The order for memory and disks:
 * guest_snapshot_memory leaves the guest stopped, guest_backup_begin fixes the disks,
 * guest_resume lets it go on.
 */
#pragma once

#include "guest/abilities.h"
#include "guest/agent.h"
#include "guest/backup_job.h"
#include "guest/snapshot.h"
#include "guest/watch.h"
