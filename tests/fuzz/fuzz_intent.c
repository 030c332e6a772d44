/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The intent journal, and with it the JSON reader that qemu-img's answers take too.
 */
#include "fuzz.h"

#include "base/json.h"
#include "guest/checkpoint.h"
#include "ops/undo/intent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_INTENT struct intent intent = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP(json_freep) struct json *json = json_parse((const char *)data, size, NULL);

    if (json) {
        CLEANUP_FREE char *text = json_format(json);
        FUZZ_CHECK(text && *text);
        (void)json_get_str(json, "format-specific.data.compat");
    }
    if (intent_parse((const char *)data, size, &intent, &err) < 0) {
        /* unsupported: a newer version has written it */
        FUZZ_CHECK((err.kind == ERR_CORRUPT || err.kind == ERR_UNSUPPORTED) && !intent.uuid);
        return 0;
    }
    FUZZ_CHECK(intent.uuid && *intent.uuid && intent.name && (intent.uri || !intent.socket));
    FUZZ_CHECK(!intent.saved || (intent.memory && intent.live_xml));
    FUZZ_CHECK(!intent.checkpoint ||
               (guest_checkpoint_is_ours(intent.checkpoint, NULL) && intent.recorded.count > 0));
    for (size_t i = 0; i < intent.former_count; i++)
        FUZZ_CHECK(intent.formers[i].path && (intent.outdated || intent.formers[i].from));
    (void)intent_is_empty(&intent);
    return 0;
}
