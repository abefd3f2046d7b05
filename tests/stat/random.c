/* SPDX-License-Identifier: Apache-2.0
 * random.c - see random.h. */
#include "random.h"

#include <math.h>

static uint64_t rotate(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

void random_seed(struct random *random, uint64_t seed)
{
    for (unsigned i = 0; i < 4; i++) { /* splitmix64 */
        uint64_t z = seed += 0x9e3779b97f4a7c15;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        random->state[i] = z ^ z >> 31;
    }
}

uint64_t random_bits(struct random *random)
{
    uint64_t *s = random->state;
    uint64_t result = rotate(s[0] + s[3], 23) + s[0], t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

double random_unit(struct random *random)
{
    return (double)(random_bits(random) >> 11) * 0x1p-53;
}

double random_normal(struct random *random)
{
    double radius = sqrt(-2 * log(1 - random_unit(random)));
    return radius * cos(6.283185307179586 * random_unit(random));
}

/* By inversion, large means in parts. */
uint64_t random_poisson(struct random *random, double mean)
{
    uint64_t sum = 0;
    for (; mean > 500; mean -= 500)
        sum += random_poisson(random, 500);
    double left = random_unit(random), chance = exp(-mean);
    for (uint64_t k = 0;; k++) {
        left -= chance;
        if (left < 0 || chance < 1e-300)
            return sum + k;
        chance *= mean / (double)(k + 1);
    }
}
