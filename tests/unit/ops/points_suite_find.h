/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Of the suite: how points are listed, and which one a word means.
 */
#pragma once

void points_are_listed_and_found(void **state);
void what_means_no_point_is_told(void **state);
void a_point_is_held_while_it_is_restored(void **state);
