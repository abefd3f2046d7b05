/* SPDX-License-Identifier: Apache-2.0
 * Any bytes are a configuration or have problems, and what is accepted survives being stored. */
#include <string.h>

#include "config/config.h"
#include "must.h"

static void store_and_read(const struct bsc_spec *spec)
{
    struct bsc_text before = { 0 }, after = { 0 }, diff = { 0 };
    struct bsc_spec *read = NULL;
    bsc_spec_write_json(spec, &before);
    MUST(bsc_spec_read_json(bsc_text_get(&before), &read, NULL) == BSC_OK);
    bsc_spec_write_json(read, &after);
    MUST(strcmp(bsc_text_get(&before), bsc_text_get(&after)) == 0);
    MUST(!bsc_spec_diff(spec, read, &diff) && !diff.size);
    bsc_spec_release(read);
    bsc_text_deinit(&before);
    bsc_text_deinit(&after);
    bsc_text_deinit(&diff);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bsc_config_problems problems = { 0 };
    struct bsc_config *config =
        bsc_config_parse("/nowhere/bascule.yaml", (const char *)data, size, &problems);
    MUST(!config == (problems.count > 0));
    for (unsigned i = 0; config && i < config->service_count; i++)
        store_and_read(config->services[i]);
    bsc_config_destroy(config);
    bsc_config_problems_deinit(&problems);
    return 0;
}
