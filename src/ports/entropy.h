/* SPDX-License-Identifier: Apache-2.0
 * ports/entropy.h - numbers that nobody can guess: from the kernel in production, from the seed in
 * the simulator.
 */
#ifndef BASCULE_PORTS_ENTROPY_H
#define BASCULE_PORTS_ENTROPY_H

#include <stddef.h>

struct bsc_entropy_ops {
    void (*fill)(void *self, void *bytes, size_t size);
};

struct bsc_entropy {
    const struct bsc_entropy_ops *ops;
    void *self;
};

#endif
