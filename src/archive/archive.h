/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * An archive: a folder that holds backups of guests, at most one of each name.
 * Only a manifest makes a backup: files are written under temporary names,
 * flushed and renamed, the manifest last. Each commit goes through a redo journal
 * (archive/exchange.h); a crash in it is finished or undone when the archive is
 * next opened for writing, and by readers too, which refuse (busy) where they
 * can't.
 *
 * An open archive holds a kernel lock on its folder: exclusive for writing,
 * shared for reading (busy if it can't be had). Nothing is left in the folder.
 *
 * Errors of readers, writers and sets name the path of the file or folder.
 */
#pragma once

#include "archive/backup_set.h"
#include "archive/names.h"
#include "archive/reader.h"
#include "archive/writer.h"
