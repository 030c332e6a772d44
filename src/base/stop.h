/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Ctrl-Z (SIGTSTP) while a guest is held would leave that guest paused or down for as long as
 * we are stopped: it waits until the guest is let go, and then stops us. SIGSTOP can't wait;
 * whoever was stopped by it learns of that here, once it goes on.
 */
#pragma once

#include <stdbool.h>

/* Installs the handlers; once, by main. */
void stop_install(void);
/* From here to stop_release SIGTSTP waits; the first one is answered with a line that names the
 * guest. They don't nest. Without stop_install both do nothing that counts. */
void stop_hold(const char *guest);
/* Stops us now if SIGTSTP has come meanwhile. */
void stop_release(void);
/* True once after we were continued (SIGCONT). From one thread. */
bool stop_was_continued(void);
