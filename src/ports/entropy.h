/* SPDX-License-Identifier: Apache-2.0
 * ports/entropy.h - numbers that nobody can guess: from the kernel in production, from the seed in
 * the simulator.
 */
#ifndef BASCULE_PORTS_ENTROPY_H
#define BASCULE_PORTS_ENTROPY_H

#include <stddef.h>
#include <stdint.h>

struct bsc_entropy_ops {
    void (*fill)(void *self, void *bytes, size_t size);
    /* Who `identity` is under a rollout's affinity key (hexadecimal; "": zeros), as the router has
     * it: a hash that leads nobody back. */
    uint64_t (*user)(void *self, const char *key, const char *identity);
};

struct bsc_entropy {
    const struct bsc_entropy_ops *ops;
    void *self;
};

#endif
