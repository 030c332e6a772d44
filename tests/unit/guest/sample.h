/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Domain definitions for the tests of this folder. All functions fail the test
 * when something is wrong.
 */
#pragma once

#include "base/xml.h"
#include "guest/definition/definition.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* samples/NAME. Free with xml_free. */
struct xml_doc *sample_load(const char *name);
/* A document from text. */
struct xml_doc *sample_parse(const char *text);
/* <domain><devices>TEXT</devices></domain>. */
struct xml_doc *sample_devices(const char *text);
/* The <disk> of this target. */
struct xml_node *sample_disk(const struct xml_doc *doc, const char *target);
const struct definition_disk *sample_find(const struct definition_disks *disks, const char *target);
/* Fails unless the error is of this kind and its text has `part`; clears it. */
void sample_expect(struct err *err, enum err_kind kind, const char *part);
