/* SPDX-License-Identifier: Apache-2.0
 * supervisor/options.c - see options.h. */
#include "supervisor/options.h"

#include <stddef.h>
#include <string.h>

enum bsc_status bsc_supervisor_options_parse(int argc, char **argv,
                                             struct bsc_supervisor_options *out,
                                             struct bsc_error *error)
{
    *out = (struct bsc_supervisor_options){ 0 };
    const struct row {
        const char *name, **value;
    } rows[] = { { "--state", &out->state },
                 { "--config", &out->config },
                 { "--libexec", &out->libexec },
                 { "--controller", &out->controller } };
    for (int i = 1; i < argc; i += 2) {
        const struct row *row = rows, *end = rows + sizeof rows / sizeof *rows;
        while (row < end && strcmp(argv[i], row->name) != 0)
            row++;
        if (row == end)
            return bsc_error_set(error, BSC_INVALID, "unknown option '%s'", argv[i]);
        if (i + 1 == argc || !*argv[i + 1])
            return bsc_error_set(error, BSC_INVALID, "%s needs a value", row->name);
        *row->value = argv[i + 1];
    }
    if (!out->state || !out->config || !out->libexec)
        return bsc_error_set(error, BSC_INVALID, "--state, --config and --libexec are needed");
    return BSC_OK;
}
