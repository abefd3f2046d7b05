/* SPDX-License-Identifier: Apache-2.0
 * proxy/random.h - one independent coin a request (xoshiro256**, Blackman and Vigna 2018).
 *
 * Not for secrets. A sequence that fills the interval evenly would be wrong here: the statistics
 * that judge a version need independent tosses.
 */
#ifndef BASCULE_PROXY_RANDOM_H
#define BASCULE_PROXY_RANDOM_H

#include <stdint.h>

struct bsc_random {
    uint64_t state[4];
};

void bsc_random_seed(struct bsc_random *random); /* from the kernel */

static inline uint64_t bsc_random_rotate(uint64_t value, int by)
{
    return value << by | value >> (64 - by);
}

static inline uint64_t bsc_random_next(struct bsc_random *random)
{
    uint64_t *s = random->state;
    uint64_t result = bsc_random_rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = bsc_random_rotate(s[3], 45);
    return result;
}

/* 0 .. limit-1; the bias is below limit / 2^32. */
static inline uint32_t bsc_random_below(struct bsc_random *random, uint32_t limit)
{
    return (uint32_t)((bsc_random_next(random) >> 32) * limit >> 32);
}

#endif
