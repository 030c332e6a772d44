/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The small objects of a repository, in JSON: see SMALL OBJECTS in virt-backup-repository(5).
 */
#pragma once

#include "base/buf.h"
#include "base/digest.h"
#include "base/parser.h"
#include "repository/format/id.h"
#include "repository/format/limits.h"

enum small_object_kind {
    SMALL_CONFIG,
    SMALL_SESSION,
    SMALL_TOKEN, /* of a collection under way */
    SMALL_MARK,  /* a marker, a hold or a tag */
    SMALL_BAD_PACK,
    SMALL_VERIFICATION,
    SMALL_RESULT, /* of a run, about a guest */
};

/* What keeps the store from creating a name again. */
enum small_create_only { CREATE_ONLY_CONDITION, CREATE_ONLY_VERSIONS, CREATE_ONLY_NONE };
enum small_defect { DEFECT_MISSING, DEFECT_LENGTH, DEFECT_STORED, DEFECT_DATA };
enum small_level { LEVEL_OBJECTS, LEVEL_STORED, LEVEL_DATA };
enum small_result { RESULT_GOOD, RESULT_BAD };

/* Only the members that the kind has mean something. Texts are owned. */
struct small_object {
    enum small_object_kind kind;
    /* SMALL_CONFIG */
    struct id id; /* the repository's */
    unsigned create_only;
    uint8_t id_salt[DIGEST_SIZE]; /* the key of the blocks' ids */
    /* SMALL_SESSION */
    struct id guest;
    struct id session;
    char *program;
    /* SMALL_MARK */
    char *reason;
    /* SMALL_BAD_PACK */
    unsigned defect;
    /* SMALL_VERIFICATION */
    unsigned level;
    unsigned result;
    /* SMALL_RESULT, with reason, which may be NULL there */
    char *verb;
    char *job;   /* NULL: of no job */
    char *name;  /* of the guest */
    char *point; /* id of the point that was made; NULL */
    uint64_t status;
    uint64_t read; /* bytes */
    uint64_t stored;
    int64_t started_ms; /* these two by the host's clock */
    int64_t ended_ms;
    /* several */
    char *host;      /* SMALL_SESSION, SMALL_TOKEN, SMALL_VERIFICATION, SMALL_RESULT */
    char *by;        /* SMALL_MARK, SMALL_BAD_PACK */
    int64_t when_ms; /* all but SMALL_SESSION; of SMALL_CONFIG, when it was created */
};

/* Bytes that such an object may have. */
size_t small_object_max(enum small_object_kind kind);
void small_object_clear(struct small_object *object);
#define CLEANUP_SMALL_OBJECT CLEANUP(small_object_clear)

/* Appends it. Refused (unsupported): what would be longer than such an object may be. */
int small_object_format(const struct small_object *object, struct buf *ret, struct err *err);
/* Unsupported: a newer format, or a repository that is encrypted. */
int small_object_parse(enum small_object_kind kind, const void *data, size_t len,
                       struct small_object *ret, struct err *err);
/* The same by a parser, or by this process (NULL). Fails as parser_run does, too. */
int small_object_read(const struct parser *parser, enum small_object_kind kind,
                      const struct buf *bytes, struct small_object *ret, struct err *err);
/* In two halves, for parser_run_each. *ret_given, which is empty, is filled with what the task borrows. */
struct parser_task small_object_task(enum small_object_kind kind, const struct buf *bytes,
                                     struct buf *ret_given);
int small_object_take(enum small_object_kind kind, const struct buf *made, struct small_object *ret,
                      struct err *err);
