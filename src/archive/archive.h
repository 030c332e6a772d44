/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * An archive: a folder that holds backups of guests, at most one of each name. Only the manifest
 * makes files a backup: they are written under temporary names, flushed and renamed, the manifest
 * last. Each commit uses a redo journal for its guest (archive/exchange.h); if a crash interrupts
 * it, it is finished or undone when the archive is next opened for writing.
 *
 * Writers of the same guest exclude each other with a lock file (archive/tidy.h). Readers take no
 * lock: they keep the files of the backup that they opened (archive/backup.h), and find them even
 * in the middle of an exchange.
 *
 * Errors of readers, writers and sets name the path of the file or folder.
 */
#pragma once

#include "archive/backup.h"
#include "archive/backup_set.h"
#include "archive/names.h"
#include "archive/reader.h"
#include "archive/writer.h"
