/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Errors: what went wrong, and what the caller can do about it.
 *
 * A function that can fail returns 0 or -1 (or a pointer or NULL) and takes a
 * `struct err *` as its last parameter, which it fills in on failure and does not
 * touch on success. Callers add context to the text, outermost first:
 * "guest 'web': disk 'vda': /img/web.qcow2: cannot read: Input/output error".
 * Only main prints an error, once.
 */
#pragma once

#include <stdarg.h>

/* Chosen by the reaction it calls for, not by where it happened. */
enum err_kind {
    ERR_NONE = 0,
    ERR_USAGE,       /* the command line is wrong */
    ERR_NOT_FOUND,   /* the thing named does not exist */
    ERR_EXISTS,      /* the thing to make already exists */
    ERR_BUSY,        /* somebody else is using it; trying later may help */
    ERR_CORRUPT,     /* stored data is not what was stored */
    ERR_NO_SPACE,    /* disk full, quota */
    ERR_TRANSIENT,   /* trying again may help */
    ERR_CANCELLED,   /* a signal asked us to stop */
    ERR_UNSUPPORTED, /* this guest, disk or libvirt cannot do it */
    ERR_DENIED,      /* permission */
    ERR_IO,          /* the system or the other side failed */
    ERR_INTERNAL,    /* our own fault */
};

/* What the text says would help, where a caller offers it, or would otherwise say so once more. */
enum err_remedy {
    ERR_REMEDY_NONE = 0,         /* or none that a caller looks at */
    ERR_REMEDY_TRUST_DEFINITION, /* an option of restore, like the next two */
    ERR_REMEDY_OVERWRITE,
    ERR_REMEDY_REPLACE,
    ERR_REMEDY_RECOVER,  /* running recover, after something else */
    ERR_REMEDY_UNDELETE, /* taking the point out of the trash */
};

struct err {
    enum err_kind kind;
    int errnum; /* errno, or 0 */
    enum err_remedy remedy;
    char *text; /* owned; NULL while no error is set */
};

#define ERR_INIT ((struct err){0})

/* Sets *err (freeing what it held) and returns -1. err may be NULL if the caller does
 * not want the error. */
int err_set(struct err *err, enum err_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Like err_set, with ": strerror(errnum)" after the text, and the kind derived from errnum (ENOENT:
 * not found, ENOSPC: no space, EACCES: denied, ENOMEM: transient, ...). */
int err_set_errno(struct err *err, int errnum, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds "TEXT: " before the text of an error that is set. Returns -1. */
int err_prefix(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds "; TEXT" after the text of an error that is set: a remedy, or a second failure while
 * undoing. Returns -1. */
int err_append(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Notes the remedy that the text of an error that is set names. Returns -1. */
int err_note_remedy(struct err *err, enum err_remedy remedy);

/* Moves *from into *to (which may be NULL) and leaves *from empty. Returns -1. */
int err_move(struct err *to, struct err *from);

/* Frees the text; the struct can be used again. Accepts NULL. */
void err_clear(struct err *err);

/* The kind as a stable word for --json: "not-found", "no-space", ... */
const char *err_kind_name(enum err_kind kind);

#define CLEANUP_ERR __attribute__((cleanup(err_clear)))
