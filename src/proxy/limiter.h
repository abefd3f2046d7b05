/* SPDX-License-Identifier: Apache-2.0
 * proxy/limiter.h - who has how many connections and asks how often: the one table that all workers
 * share, of fixed size, without a lock. Used only where a limit is set.
 *
 * Connections of an address are counted in two cells that two hashes choose; the smaller one is the
 * count (Cormode and Muthukrishnan 2005). It can be too large, when strangers fall into both cells,
 * and is never too small.
 *
 * Requests fill a bucket that leaks at the rate (GCRA, ITU-T I.371): one word holds when it would
 * be empty. Four clients share a line; when a fifth comes, the one is forgotten whose bucket is
 * empty first. So a flood from very many addresses is limited less, and nobody is limited for
 * another.
 */
#ifndef BASCULE_PROXY_LIMITER_H
#define BASCULE_PROXY_LIMITER_H

#include <stdatomic.h>

#include "base/network.h"

enum { BSC_LIMITER_CELLS = 65536, BSC_LIMITER_LINES = 16384, BSC_LIMITER_WAYS = 4 };

struct bsc_limiter {
    uint64_t key[2]; /* so that nobody can choose whom it falls together with */
    _Atomic uint32_t connections[2][BSC_LIMITER_CELLS];
    _Alignas(64) _Atomic uint64_t buckets[BSC_LIMITER_LINES][BSC_LIMITER_WAYS];
};

struct bsc_rate {
    unsigned requests, period_s; /* requests == 0: no limit */
    unsigned burst;              /* at once, after a pause; at least 1 */
};

/* Memory that is not used costs nothing. Never freed. */
struct bsc_limiter *bsc_limiter_create(uint64_t key0, uint64_t key1);

/* Counts a connection, and true; false: the address has `most` already. */
bool bsc_limiter_connect(struct bsc_limiter *limiter, const struct bsc_ip *ip, unsigned most);
void bsc_limiter_disconnect(struct bsc_limiter *limiter, const struct bsc_ip *ip);

/* 0: the request is within the rate, and counted. Else microseconds until one will be. Requests of
 * one client for different `scope`s are different. */
int64_t bsc_limiter_request(struct bsc_limiter *limiter, const struct bsc_ip *ip, uint64_t scope,
                            const struct bsc_rate *rate, int64_t now_us);

#endif
