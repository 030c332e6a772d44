/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * An archive: a folder that holds backups of guests, at most one of each name.
 * Only a manifest makes a backup: files are written under temporary names,
 * flushed and renamed, the manifest last. Each commit goes through a redo journal of
 * its guest (archive/exchange.h); a crash in it is finished or undone when the
 * archive is next opened for writing.
 *
 * Writers exclude each other by guest, with a lock file each (archive/tidy.h). Readers
 * take no lock: they keep the files of the backup that they have opened
 * (archive/backup.h), and find them in the middle of an exchange too.
 *
 * Errors of readers, writers and sets name the path of the file or folder.
 */
#pragma once

#include "archive/backup.h"
#include "archive/backup_set.h"
#include "archive/names.h"
#include "archive/reader.h"
#include "archive/writer.h"
