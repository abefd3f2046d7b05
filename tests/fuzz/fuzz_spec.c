/* SPDX-License-Identifier: Apache-2.0
 * Any text is a stored specification or is refused, and what is read is written the same again. */
#include <string.h>

#include "config/config.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bsc_text json = { 0 }, first = { 0 }, second = { 0 };
    struct bsc_spec *spec = NULL, *again = NULL;
    bsc_text_add(&json, (const char *)data, size);
    if (bsc_spec_read_json(bsc_text_get(&json), &spec, NULL) == BSC_OK) {
        bsc_spec_write_json(spec, &first);
        MUST(bsc_spec_read_json(bsc_text_get(&first), &again, NULL) == BSC_OK);
        bsc_spec_write_json(again, &second);
        MUST(strcmp(bsc_text_get(&first), bsc_text_get(&second)) == 0);
    }
    bsc_spec_release(spec);
    bsc_spec_release(again);
    bsc_text_deinit(&json);
    bsc_text_deinit(&first);
    bsc_text_deinit(&second);
    return 0;
}
