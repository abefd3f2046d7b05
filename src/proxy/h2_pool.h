/* SPDX-License-Identifier: Apache-2.0
 * proxy/h2_pool.h - a worker's memory for nghttp2: blocks by size class, kept for the next request.
 *
 * nghttp2 allocates a handful of small objects for each stream. Here they come from lists of the
 * worker, so a request in a steady load asks the system for nothing.
 */
#ifndef BASCULE_PROXY_H2_POOL_H
#define BASCULE_PROXY_H2_POOL_H

#include <nghttp2/nghttp2.h>

enum { BSC_H2_POOL_CLASSES = 7 }; /* 64 bytes to 4 KiB; what is larger comes from the system */

struct bsc_h2_pool {
    nghttp2_mem mem;
    void *idle[BSC_H2_POOL_CLASSES];
    unsigned idle_count[BSC_H2_POOL_CLASSES];
};

/* The pool must stay where it is. */
void bsc_h2_pool_init(struct bsc_h2_pool *pool);

#endif
