/* SPDX-License-Identifier: Apache-2.0
 * proxy/edge.h - what a service wants at the edge: limits for its clients, and how its instances
 * learn who they are.
 */
#ifndef BASCULE_PROXY_EDGE_H
#define BASCULE_PROXY_EDGE_H

#include <jansson.h>

#include "base/error.h"
#include "proxy/limiter.h"

/* Version of the PROXY protocol that connections to instances begin with. */
enum bsc_proxy_version { BSC_PROXY_NONE, BSC_PROXY_V1, BSC_PROXY_V2 };

struct bsc_edge {
    struct bsc_rate rate; /* for each client */
    uint64_t scope;       /* of the rate: other services count for themselves */
    uint64_t body_bytes;  /* 0: as for all services */
    enum bsc_proxy_version proxy_version;
};

/* Reads the value of "edge" in a service's line, or NULL: nothing is limited. */
enum bsc_status bsc_edge_parse(const json_t *object, const char *service, struct bsc_edge *out,
                               struct bsc_error *error) BSC_MUST_CHECK;

#endif
