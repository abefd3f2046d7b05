/* SPDX-License-Identifier: Apache-2.0
 * adapters/runtime_process.h - instances and hooks as plain processes, each under a shim.
 *
 * What runs is written in STATE/instances/ID and held by shims that outlive this process, so a new
 * one takes over where the last one left (`list`, or `start` of what runs). Shims are watched by
 * pidfd; what one leaves behind when it is killed is found and killed before EXITED is told.
 */
#ifndef BASCULE_ADAPTERS_RUNTIME_PROCESS_H
#define BASCULE_ADAPTERS_RUNTIME_PROCESS_H

#include "adapters/outbox.h"
#include "ports/runtime.h"

struct bsc_runtime_process;

/* Makes STATE/instances when it is not there. BSC_DENIED when somebody else owns it or may write
 * to it. `shim` is the path of bascule-shim. The process must ignore SIGPIPE. */
enum bsc_status bsc_runtime_process_create(uv_loop_t *loop, const char *state_dir, const char *shim,
                                           bsc_deliver deliver, void *argument,
                                           struct bsc_runtime_process **out,
                                           struct bsc_error *error) BSC_MUST_CHECK;
/* Leaves alone what runs. */
void bsc_runtime_process_destroy(struct bsc_runtime_process *runtime);
struct bsc_runtime bsc_runtime_process_port(struct bsc_runtime_process *runtime);

#endif
