/* SPDX-License-Identifier: Apache-2.0
 * adapters/query.h - the query port on the loop: Prometheus and HTTP by libcurl, commands as the
 * prober runs them.
 *
 * Every question is bounded in time and in what is read of its answer; redirects are not followed.
 */
#ifndef BASCULE_ADAPTERS_QUERY_H
#define BASCULE_ADAPTERS_QUERY_H

#include <uv.h>

#include "ports/query.h"

/* ANSWERED goes to `deliver`, on the loop, never from within a call of the port. */
enum bsc_status bsc_query_port_create(
    uv_loop_t *loop, void (*deliver)(void *argument, const struct bsc_event *event), void *argument,
    struct bsc_query_port *out, struct bsc_error *error) BSC_MUST_CHECK;
/* No event is delivered any more. Not from within `deliver`. The loop must run until it has nothing
 * left to do: then the memory is freed. */
void bsc_query_port_destroy(struct bsc_query_port *port);

#endif
