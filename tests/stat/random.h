/* SPDX-License-Identifier: Apache-2.0
 * random.h - numbers drawn from a seed, the same on every machine. */
#ifndef BASCULE_STAT_RANDOM_H
#define BASCULE_STAT_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state[4]; /* xoshiro256++ */
};

void random_seed(struct random *random, uint64_t seed);
uint64_t random_bits(struct random *random);
double random_unit(struct random *random); /* 0 <= x < 1 */
double random_normal(struct random *random);
uint64_t random_poisson(struct random *random, double mean);

#endif
