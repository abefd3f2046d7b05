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

enum { BSC_EDGE_PATHS_MAX = 32 };

struct bsc_edge_path {
    char *prefix; /* without "/" at its end */
    size_t size;
    struct bsc_rate rate;
    uint64_t scope; /* of this rate below this path: another one begins anew */
};

struct bsc_edge {
    struct bsc_rate rate; /* for each client */
    uint64_t scope;       /* of the rate: other services count for themselves */
    unsigned path_count;
    struct bsc_edge_path *paths; /* with a rate besides; the longest first */
    uint64_t body_bytes;         /* 0: as for all services */
    enum bsc_proxy_version proxy_version;
};

/* Reads the value of "edge" in a service's line, or NULL: nothing is limited. *out is to be
 * deinited in any case. */
enum bsc_status bsc_edge_parse(const json_t *object, const char *service, struct bsc_edge *out,
                               struct bsc_error *error) BSC_MUST_CHECK;
void bsc_edge_deinit(struct bsc_edge *edge);

/* 1 and the index of the path whose rate is that of this request, or 0; `target` as in struct
 * bsc_request. */
unsigned bsc_edge_find(const struct bsc_edge *edge, const char *target, size_t size);

#endif
