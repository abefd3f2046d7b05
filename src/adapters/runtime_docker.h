/* SPDX-License-Identifier: Apache-2.0
 * adapters/runtime_docker.h - instances as containers of the Docker Engine.
 *
 * Every container carries labels that say whose it is (the state directory) and which instance, so
 * it is found again whatever died. Its output is kept in STATE/containers/ID/log besides: it can be
 * read when the container, or the Engine, is gone.
 */
#ifndef BASCULE_ADAPTERS_RUNTIME_DOCKER_H
#define BASCULE_ADAPTERS_RUNTIME_DOCKER_H

#include <uv.h>

#include "adapters/outbox.h"
#include "ports/runtime.h"

struct bsc_runtime_docker;

/* `socket`: the Engine's, which need not be there; NULL: what DOCKER_HOST says. */
enum bsc_status bsc_runtime_docker_create(uv_loop_t *loop, const char *state_dir,
                                          const char *socket, bsc_deliver deliver, void *argument,
                                          struct bsc_runtime_docker **out,
                                          struct bsc_error *error) BSC_MUST_CHECK;
/* Containers go on. */
void bsc_runtime_docker_destroy(struct bsc_runtime_docker *runtime);

struct bsc_runtime bsc_runtime_docker_port(struct bsc_runtime_docker *runtime);

#endif
