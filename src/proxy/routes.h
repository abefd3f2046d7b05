/* SPDX-License-Identifier: Apache-2.0
 * proxy/routes.h - which service a request is for: by host and path, in constant time.
 *
 * The table is immutable. A lookup prefers the exact host, then a wildcard for one level
 * ("*.example.org" matches "a.example.org", not "example.org" nor "a.b.example.org"), then routes
 * for any host; within each it takes the longest path prefix on a segment border ("/api" matches
 * "/api", "/api/x" and "/api?x", not "/apiary"). When nothing fits in one host's routes the next
 * kind is tried.
 *
 * Hosts are compared without regard to case and to one dot at their end. Paths are compared byte by
 * byte, nothing is decoded and "//" is not folded. So that a prefix also is a border, a path with a
 * segment that some upstream would resolve to "." or ".." is refused: dots plain or as %2e, the
 * segment ended by "/", "\", %2f, %5c, ";" or the path's end. The query is no part of the path.
 */
#ifndef BASCULE_PROXY_ROUTES_H
#define BASCULE_PROXY_ROUTES_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct bsc_routes;

struct bsc_routes_rule {
    const char *host; /* NULL: any; "shop.example"; "*.example.org"; "[::1]" */
    const char *path; /* "/..."; a "/" at its end means nothing */
    uint32_t service;
};

/* Builds a table from copies. BSC_INVALID: a bad host or path; BSC_EXISTS: two rules for the same
 * host and path; the error names it. */
enum bsc_status bsc_routes_create(const struct bsc_routes_rule *rules, size_t count,
                                  struct bsc_routes **out, struct bsc_error *error) BSC_MUST_CHECK;
void bsc_routes_destroy(struct bsc_routes *routes); /* NULL is allowed */

enum bsc_routing {
    BSC_ROUTING_FOUND,
    BSC_ROUTING_NONE,   /* 404 */
    BSC_ROUTING_REFUSED /* 400: a dot segment */
};

/* `host` without port (empty: only routes for any host), `target` as in struct bsc_request: path
 * and query; empty, "?..." and "*" count as "/". Allocates nothing. */
enum bsc_routing bsc_routes_find(const struct bsc_routes *routes, const char *host,
                                 size_t host_size, const char *target, size_t target_size,
                                 uint32_t *service);

#endif
