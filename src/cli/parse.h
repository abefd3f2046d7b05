/* SPDX-License-Identifier: Apache-2.0
 * cli/parse.h - a command line, checked against the tables.
 *
 * Pure, and strict: names are never abbreviated, so a script does not break when a command is
 * added. Options may stand anywhere; after "--" everything is an argument.
 */
#ifndef BASCULE_CLI_PARSE_H
#define BASCULE_CLI_PARSE_H

#include "base/error.h"
#include "cli/table.h"

struct bsc_call {
    const struct bsc_cli_command *command; /* NULL: none was named */
    const char *arguments[BSC_ARGUMENTS_MAX];
    unsigned argument_count;
    bool given[BSC_OPTION_COUNT];
    const char *text[BSC_OPTION_COUNT]; /* as typed; NULL: not given or a switch */
    int64_t number[BSC_OPTION_COUNT];   /* DURATION: milliseconds; NUMBER: itself */
};

/* Strings are borrowed from `argv`. On a failure *out holds what was understood before it, so that
 * the right usage line can be shown. With --help or --version missing arguments are no failure. */
enum bsc_status bsc_call_parse(int argc, char *const *argv, struct bsc_call *out,
                               struct bsc_error *error) BSC_MUST_CHECK;

#endif
