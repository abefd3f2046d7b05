/* SPDX-License-Identifier: Apache-2.0
 * adapters/runtime_static.h - instances that something else runs, at addresses that the user gives.
 *
 * Starting one means trusting that it is there: the health checks tell whether it is. Nothing is
 * remembered beyond the process: `list` answers what was started since.
 */
#ifndef BASCULE_ADAPTERS_RUNTIME_STATIC_H
#define BASCULE_ADAPTERS_RUNTIME_STATIC_H

#include "adapters/outbox.h"
#include "ports/runtime.h"

struct bsc_runtime_static;

struct bsc_runtime_static *bsc_runtime_static_create(uv_loop_t *loop, bsc_deliver deliver,
                                                     void *argument);
void bsc_runtime_static_destroy(struct bsc_runtime_static *runtime);
struct bsc_runtime bsc_runtime_static_port(struct bsc_runtime_static *runtime);

#endif
