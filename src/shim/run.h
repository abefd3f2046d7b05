/* SPDX-License-Identifier: Apache-2.0
 * shim/run.h - one run of the command: started, watched, ended with its whole tree.
 */
#ifndef BASCULE_SHIM_RUN_H
#define BASCULE_SHIM_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "shim/options.h"
#include "shim/output.h"
#include "shim/state.h"

enum { BSC_CONTROL_BYTES = 256 };

struct bsc_run {
    const struct bsc_shim_options *options;
    int directory, signals, control, pipe; /* pipe: the command's output, -1 at its end */
    struct bsc_output output;
    struct bsc_shim_state state;
    /* Boot clock; INT64_MAX: never. */
    int64_t kill_ms;       /* when the tree gets KILL (again) */
    int64_t timeout_ms;    /* when the command has run for too long */
    int64_t kill_again_ms; /* the pause before the next KILL, which grows */
    bool tree_gone, unrecorded;
    char line[BSC_CONTROL_BYTES]; /* a command that has not arrived whole */
    size_t line_size;
};

/* Makes the files in `directory` (borrowed, locked by the caller) and takes over the signals. */
enum bsc_status bsc_run_init(struct bsc_run *run, const struct bsc_shim_options *options,
                             int directory, struct bsc_error *error) BSC_MUST_CHECK;

/* Starts the command and stays until nothing of its tree is left. On failure `state` says why as
 * far as it could be written. */
enum bsc_status bsc_run_to_end(struct bsc_run *run, struct bsc_error *error) BSC_MUST_CHECK;

#endif
