/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Freezing a guest's file systems through its agent, and thawing them whatever the
 * agent does.
 */
#pragma once

#include "base/err.h"
#include "guest/guest.h"

/* Freezes the file systems; fails when the agent has not answered within
 * timeout_s, or within 5 s (timeout_s, if that is less) to a first question. After
 * any return, success or not, the guest may be frozen, now or a little later, and
 * guest_thaw is due. Stops for no signal. */
int guest_freeze(struct guest *guest, unsigned timeout_s, struct err *err);
/* Thaws what guest_freeze, of this process or one that has died, has frozen: goes
 * on asking until it is certain that nothing is, and that no freeze asked for can
 * come later, for timeout_s at most (then: busy; with an agent that answers nonsense, for 10 s,
 * and then it warns and succeeds: such a guest is not waited for). At once if this guest handle's
 * freeze is known never to have reached the agent, or if the guest is off. The
 * agent's answer limit is put back to libvirt's own (none). A second signal ends it. */
int guest_thaw(struct guest *guest, unsigned timeout_s, struct err *err);
