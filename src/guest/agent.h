/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Freezes a guest's file systems through its agent, and thaws them whatever the agent does.
 */
#pragma once

#include "base/err.h"
#include "guest/guest.h"

/* Whether a connected agent answers a harmless question within 5 s. */
bool guest_agent_answers(struct guest *guest);

/* Freezes the file systems. Fails if the agent has not answered within timeout_s, or has not
 * answered a first question within 5 s (timeout_s, if that is less). After any return, successful
 * or not, the guest may be frozen now or a little later, so guest_thaw must be called. Stops for no
 * signal. */
int guest_freeze(struct guest *guest, unsigned timeout_s, struct err *err);
/* Thaws what guest_freeze has frozen, in this process or one that has died. Keeps asking until it
 * is certain that nothing is frozen and that no freeze asked for can still come, for at most
 * timeout_s (then: busy; with an agent that answers nonsense, for 10 s, and then it warns and
 * succeeds, because such a guest is not waited for). Returns at once if this guest handle's freeze
 * is known never to have reached the agent, or if the guest is off. Resets the agent's response
 * timeout to libvirt's default (none). A second signal ends it. */
int guest_thaw(struct guest *guest, unsigned timeout_s, struct err *err);
