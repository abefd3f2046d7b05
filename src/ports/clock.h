/* SPDX-License-Identifier: Apache-2.0
 * ports/clock.h - time for the engine: real in production, simulated in the simulator.
 */
#ifndef BASCULE_PORTS_CLOCK_H
#define BASCULE_PORTS_CLOCK_H

#include <stdint.h>

struct bsc_clock_ops {
    int64_t (*boot_ms)(void *self); /* runs evenly, for every timer */
    int64_t (*wall_ms)(void *self); /* for people and for what is stored; may jump */
};

struct bsc_clock {
    const struct bsc_clock_ops *ops;
    void *self;
};

#endif
