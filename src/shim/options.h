/* SPDX-License-Identifier: Apache-2.0
 * shim/options.h - the command line of bascule-shim (shim.h), checked.
 */
#ifndef BASCULE_SHIM_OPTIONS_H
#define BASCULE_SHIM_OPTIONS_H

#include <stdint.h>

#include "base/error.h"

struct bsc_shim_options {
    const char *directory, *id;
    const char *user;             /* NULL: the caller's */
    const char *chdir;            /* NULL: the caller's */
    int64_t grace_ms, timeout_ms; /* timeout_ms 0: none */
    int64_t log_bytes;            /* of one file */
    int64_t log_files;            /* `log` included */
    int64_t port;                 /* 0: none to probe */
    char **command;               /* ends with NULL; into argv */
};

/* Strings stay argv's. BSC_INVALID with a text that names the option. */
enum bsc_status bsc_shim_options_parse(int argc, char **argv, struct bsc_shim_options *out,
                                       struct bsc_error *error) BSC_MUST_CHECK;

#endif
