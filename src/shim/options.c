/* SPDX-License-Identifier: Apache-2.0
 * shim/options.c - see options.h. */
#include "shim/options.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* An option takes a text, or a number between `least` and `most`. */
struct row {
    const char *name;
    const char **text;
    int64_t *number, least, most;
};

static enum bsc_status take_value(const struct row *row, const char *value, struct bsc_error *error)
{
    if (!value || !*value)
        return bsc_error_set(error, BSC_INVALID, "%s needs a value", row->name);
    if (row->text) {
        *row->text = value;
        return BSC_OK;
    }
    char *end;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (errno || end == value || *end || number < row->least || number > row->most)
        return bsc_error_set(error, BSC_INVALID, "%s: '%s' is not a number from %lld to %lld",
                             row->name, value, (long long)row->least, (long long)row->most);
    *row->number = number;
    return BSC_OK;
}

enum bsc_status bsc_shim_options_parse(int argc, char **argv, struct bsc_shim_options *out,
                                       struct bsc_error *error)
{
    const int64_t day_ms = 86400000;
    *out = (struct bsc_shim_options){ .grace_ms = 10000, .log_bytes = 1 << 20, .log_files = 3 };
    const struct row rows[] = {
        { "--directory", .text = &out->directory },
        { "--id", .text = &out->id },
        { "--user", .text = &out->user },
        { "--chdir", .text = &out->chdir },
        { "--grace-ms", .number = &out->grace_ms, .least = 0, .most = day_ms },
        { "--timeout-ms", .number = &out->timeout_ms, .least = 0, .most = 365 * day_ms },
        { "--log-bytes", .number = &out->log_bytes, .least = 1024, .most = INT64_C(1) << 40 },
        { "--log-files", .number = &out->log_files, .least = 1, .most = 100 },
        { "--port", .number = &out->port, .least = 1, .most = 65535 },
    };
    int i = 1;
    for (; i < argc && strcmp(argv[i], "--") != 0; i += 2) {
        const struct row *row = rows, *end = rows + sizeof rows / sizeof *rows;
        while (row < end && strcmp(argv[i], row->name) != 0)
            row++;
        if (row == end)
            return bsc_error_set(error, BSC_INVALID, "unknown option '%s'", argv[i]);
        if (take_value(row, i + 1 < argc ? argv[i + 1] : NULL, error) != BSC_OK)
            return BSC_INVALID;
    }
    if (!out->directory || !out->id)
        return bsc_error_set(error, BSC_INVALID, "--directory and --id are needed");
    if (i + 1 >= argc)
        return bsc_error_set(error, BSC_INVALID, "the command is missing: put it after --");
    out->command = argv + i + 1;
    return BSC_OK;
}
