/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What people read of an event, and the object that programs get. Each kind has a form; the forms of
 * a verb are in events_VERB.c, the texts of warnings in warnings.c.
 */
#pragma once

#include "base/buf.h"
#include "base/json.h"
#include "ops/events/events.h"

/* What becomes of its text. */
enum event_shown {
    EVENT_AS_RESULT,  /* on standard output, unless objects go there */
    EVENT_AS_WARNING, /* on standard error */
    EVENT_AS_ERROR,   /* the same */
    EVENT_AS_DETAIL,  /* there with --verbose */
};

struct event_form {
    const char *name; /* for programs; several kinds may have the same */
    enum event_shown shown;
    void (*write_text)(const struct event *event, struct buf *text);
    void (*write_fields)(const struct event *event, struct json *fields);
};

/* NULL: there is no such kind. */
const struct event_form *events_form(enum event_kind kind);
/* The caller frees. */
char *events_text(const struct event *event);
/* The members of its object, without the event's name. The caller frees. */
struct json *events_fields(const struct event *event);

/* Members "image-size", "stored-size" and "disk-usage". */
void events_put_sizes(const struct sizes *sizes, struct json *fields);
