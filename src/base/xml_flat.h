/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What libxml2 makes of the text of a document, as flat bytes: a record for each event, in the order
 * of the text. base/xml.h makes a tree of them, and believes none of it, because another process may
 * have made them (base/parser.h). Only for the files base/xml*.
 *
 *   XML_FLAT_OPEN     prefix, name
 *   XML_FLAT_DECLARE  prefix, namespace URI; directly behind the element, or another declaration
 *   XML_FLAT_ATTR     prefix, name, value; behind the element's declarations
 *   XML_FLAT_TEXT     text
 *   XML_FLAT_COMMENT  text
 *   XML_FLAT_CLOSE
 *
 * A record is a byte and its texts: each the length as a be32, the bytes, and a NUL. A prefix is empty
 * if there is no prefix. A name whose prefix is not declared is one name, colon and all.
 */
#pragma once

#include "base/parser.h"

enum xml_flat_kind {
    XML_FLAT_OPEN = 1,
    XML_FLAT_DECLARE,
    XML_FLAT_ATTR,
    XML_FLAT_TEXT,
    XML_FLAT_COMMENT,
    XML_FLAT_CLOSE,
};

/* No more bytes than this are made of a text: an attribute, with its 16, takes five in the text. */
#define XML_FLAT_MAX(len) (4 * (uint64_t)(len) + 64)

/* Of one document: XML. Corrupt: not well-formed, has a DOCTYPE, is larger than XML_MAX_SIZE. */
parser_function xml_flatten;
