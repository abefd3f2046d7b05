/* SPDX-License-Identifier: Apache-2.0
 * shim/state.h - the file `state` (shim.h): what any later process learns about the instance.
 */
#ifndef BASCULE_SHIM_STATE_H
#define BASCULE_SHIM_STATE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/text.h"

enum bsc_shim_phase {
    BSC_SHIM_STARTING,
    BSC_SHIM_RUNNING,
    BSC_SHIM_STOPPING,
    BSC_SHIM_EXITED,
    BSC_SHIM_PHASE_COUNT
};

enum { BSC_BOOT_ID_BYTES = 40 };

struct bsc_shim_state {
    char boot_id[BSC_BOOT_ID_BYTES];
    pid_t shim_pid, pid;
    enum bsc_shim_phase phase;
    int64_t started_ms, exited_ms; /* wall clock; 0: not yet */
    int wait_status;               /* -1: never started */
    char error[512];               /* "": none */
};

/* A state in phase `starting`, of this process and this boot. */
void bsc_shim_state_init(struct bsc_shim_state *state);

/* Adds the file's text. */
void bsc_shim_state_format(const struct bsc_shim_state *state, struct bsc_text *out);

/* Puts it into place at once: a reader sees the old text or the new one, also after a power loss.
 * On a full disk the old file is overwritten instead, which needs no room: that an instance exited
 * must be told even then. */
enum bsc_status bsc_shim_state_write(const struct bsc_shim_state *state, int directory,
                                     struct bsc_error *error) BSC_MUST_CHECK;

#endif
