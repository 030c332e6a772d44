/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Lines that people paste into a shell. Nothing of ours runs one.
 */
#pragma once

/* One word that a shell reads as text, whatever it holds: text itself where nothing in
 * it means anything to a shell, else 'text', else $'text' with octal for what a terminal
 * would not show as it is (control characters, marks that turn the direction of writing,
 * bytes that are not UTF-8). A shell that does not know $'...' gets one wrong word, never
 * a second one. The caller frees. */
char *shell_quote(const char *text);

/* "virsh VERB OPERAND", the operand quoted, and kept from being an option. The verb may
 * hold options of its own. The caller frees. */
char *shell_virsh(const char *verb, const char *operand);
