/* SPDX-License-Identifier: Apache-2.0
 * proxy/limiter.c - see limiter.h. */
#include "proxy/limiter.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* A word of a bucket: 16 bits that tell clients of a line apart, then the time in microseconds at
 * which it will be empty (of the boot clock: nine years). 0: nobody's. */
enum { TIME_BITS = 48, TRIES = 8 };
#define TIME_MASK ((UINT64_C(1) << TIME_BITS) - 1)

struct bsc_limiter *bsc_limiter_create(uint64_t key0, uint64_t key1)
{
    struct bsc_limiter *limiter = mmap(NULL, sizeof *limiter, PROT_READ | PROT_WRITE,
                                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (limiter == MAP_FAILED)
        abort(); /* as everywhere: the supervisor begins anew */
    limiter->key[0] = key0;
    limiter->key[1] = key1;
    return limiter;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash(const struct bsc_limiter *limiter, const struct bsc_ip *ip, uint64_t scope)
{
    uint64_t half[2];
    memcpy(half, ip->bytes, sizeof half);
    uint64_t first = mix(half[0] ^ limiter->key[0], half[1] ^ limiter->key[1]);
    return mix(first ^ limiter->key[1], scope ^ limiter->key[0] ^ UINT64_C(0x9e3779b97f4a7c15));
}

static void cells_of(struct bsc_limiter *limiter, const struct bsc_ip *ip,
                     _Atomic uint32_t *out[static 2])
{
    struct bsc_ip who = bsc_ip_subscriber(ip);
    uint64_t value = hash(limiter, &who, 0);
    out[0] = &limiter->connections[0][value % BSC_LIMITER_CELLS];
    out[1] = &limiter->connections[1][(value >> 32) % BSC_LIMITER_CELLS];
}

bool bsc_limiter_connect(struct bsc_limiter *limiter, const struct bsc_ip *ip, unsigned most)
{
    _Atomic uint32_t *cells[2];
    cells_of(limiter, ip, cells);
    uint32_t a = atomic_fetch_add(cells[0], 1), b = atomic_fetch_add(cells[1], 1);
    if ((a < b ? a : b) < most)
        return true;
    bsc_limiter_disconnect(limiter, ip);
    return false;
}

void bsc_limiter_disconnect(struct bsc_limiter *limiter, const struct bsc_ip *ip)
{
    _Atomic uint32_t *cells[2];
    cells_of(limiter, ip, cells);
    atomic_fetch_sub(cells[0], 1);
    atomic_fetch_sub(cells[1], 1);
}

/* The client's place in the line, or that of the one who is forgotten for it. */
static unsigned place_of(_Atomic uint64_t *line, uint64_t tag, uint64_t *word)
{
    unsigned found = 0;
    uint64_t oldest = UINT64_MAX;
    for (unsigned i = 0; i < BSC_LIMITER_WAYS; i++) {
        uint64_t value = atomic_load_explicit(&line[i], memory_order_relaxed);
        if (value >> TIME_BITS == tag) {
            *word = value;
            return i;
        }
        if ((value & TIME_MASK) < oldest) {
            oldest = value & TIME_MASK;
            *word = value;
            found = i;
        }
    }
    return found;
}

int64_t bsc_limiter_request(struct bsc_limiter *limiter, const struct bsc_ip *ip, uint64_t scope,
                            const struct bsc_rate *rate, int64_t now_us)
{
    struct bsc_ip who = bsc_ip_subscriber(ip);
    uint64_t value = hash(limiter, &who, scope);
    uint64_t tag = value >> TIME_BITS ? value >> TIME_BITS : 1;
    _Atomic uint64_t *line = limiter->buckets[value % BSC_LIMITER_LINES];
    int64_t each_us = (int64_t)rate->period_s * 1000000 / rate->requests;
    each_us = each_us ? each_us : 1;
    int64_t room_us = each_us * (rate->burst ? rate->burst : 1);
    for (unsigned i = 0; i < TRIES; i++) {
        uint64_t word;
        unsigned at = place_of(line, tag, &word);
        int64_t empty_us = word >> TIME_BITS == tag ? (int64_t)(word & TIME_MASK) : now_us;
        empty_us = (empty_us > now_us ? empty_us : now_us) + each_us;
        if (empty_us - now_us > room_us)
            return empty_us - now_us - room_us;
        uint64_t next = tag << TIME_BITS | ((uint64_t)empty_us & TIME_MASK);
        if (atomic_compare_exchange_weak(&line[at], &word, next))
            return 0;
    }
    return 0; /* others were faster each time: for once it is let through */
}
