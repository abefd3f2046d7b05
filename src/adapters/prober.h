/* SPDX-License-Identifier: Apache-2.0
 * adapters/prober.h - the prober port: HTTP and TCP probes by libcurl, commands by fork, all on the
 * loop.
 *
 * Every probe is bounded in time and in what it reads. Each makes a connection of its own: one that
 * is kept alive would show that the old connection works, not that the instance still accepts.
 */
#ifndef BASCULE_ADAPTERS_PROBER_H
#define BASCULE_ADAPTERS_PROBER_H

#include <jansson.h>
#include <uv.h>

#include "ports/prober.h"

/* PROBED goes to `deliver`, on the loop, never from within a call of the port. */
enum bsc_status bsc_prober_create(uv_loop_t *loop,
                                  void (*deliver)(void *argument, const struct bsc_event *event),
                                  void *argument, struct bsc_prober *out,
                                  struct bsc_error *error) BSC_MUST_CHECK;

/* What the files of `tls` hold, as the proxies use it: an item of "upstreams" in a line of TLS
 * (docs/protocol.md). NULL: nothing is known, so the files are read. */
typedef const json_t *(*bsc_upstream_lookup)(void *argument,
                                             const struct bsc_upstream_tls_spec *tls);
/* From now on. */
void bsc_prober_trust(struct bsc_prober *prober, bsc_upstream_lookup lookup, void *argument);

/* No event is delivered any more, probe commands are killed. Not from within `deliver`. The loop
 * must run until it has nothing left to do: then the memory is freed. */
void bsc_prober_destroy(struct bsc_prober *prober);

#endif
