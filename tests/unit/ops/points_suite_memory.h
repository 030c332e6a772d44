/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Of the suite: a guest's memory, and the head that is stored with it.
 */
#pragma once

void memory_comes_back_with_its_head(void **state);
void what_was_looked_at_is_restored_with_memory(void **state);
void a_head_that_the_manifest_was_not_written_for_is_corrupt(void **state);
void memory_of_unknown_layout_comes_back_whole(void **state);
