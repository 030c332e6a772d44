/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Command lines for people to paste into a shell. We never run one ourselves.
 */
#pragma once

/* One word that a shell reads as this text, whatever it contains: the text itself if nothing in it
 * is special to a shell, else 'text', else $'text' with octal for what a terminal would not show as
 * it is (control characters, characters that change the writing direction, bytes that are not
 * UTF-8). A shell without $'...' sees one wrong word, never two words. The caller frees. */
char *shell_quote(const char *text);

/* The same of a name in a list of an option of ours, in which a comma has a backslash before it. */
char *shell_quote_listed(const char *name);

/* "virsh VERB OPERAND", with the operand quoted and protected from being read as an option. The
 * verb may include its own options. The caller frees. */
char *shell_virsh(const char *verb, const char *operand);
