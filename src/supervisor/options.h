/* SPDX-License-Identifier: Apache-2.0
 * supervisor/options.h - the command line of bascule-supervisor.
 *
 * usage: bascule-supervisor --state DIR --config FILE --libexec DIR [--controller PATH]
 */
#ifndef BASCULE_SUPERVISOR_OPTIONS_H
#define BASCULE_SUPERVISOR_OPTIONS_H

#include "base/error.h"

struct bsc_supervisor_options {
    const char *state, *config;
    const char *libexec;    /* where bascule-proxy is, looked up anew for each generation */
    const char *controller; /* NULL: `bascule` in libexec */
};

/* Strings stay argv's. BSC_INVALID with a text that names the option. */
enum bsc_status bsc_supervisor_options_parse(int argc, char **argv,
                                             struct bsc_supervisor_options *out,
                                             struct bsc_error *error) BSC_MUST_CHECK;

#endif
