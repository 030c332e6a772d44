/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Ctrl-Z (SIGTSTP) while a guest is held would leave that guest paused or down for as long as we
 * are stopped. So the stop waits until the guest is let go. SIGSTOP cannot be delayed; whoever was
 * stopped by it finds out here, after being continued.
 */
#pragma once

#include <stdbool.h>

/* Installs the handlers. Called once, by main. */
void stop_install(void);
/* Delays SIGTSTP until stop_release; the first one is answered with a line that names the guest.
 * These do not nest. Without stop_install neither has any effect. */
void stop_hold(const char *guest);
/* Stops us now if SIGTSTP came in the meantime. */
void stop_release(void);
/* Returns true once after each SIGCONT. Call it from only one thread. */
bool stop_was_continued(void);
