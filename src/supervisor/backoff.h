/* SPDX-License-Identifier: Apache-2.0
 * supervisor/backoff.h - how long to wait before something that died is started again. Pure.
 */
#ifndef BASCULE_SUPERVISOR_BACKOFF_H
#define BASCULE_SUPERVISOR_BACKOFF_H

#include <stdint.h>

struct bsc_backoff {
    int64_t settled_ms; /* who lived that long did not die of its start */
    int64_t next_ms;    /* the delay after the next death, 0 at first */
};

/* The delay after a death at the age of `lived_ms`: 0, then from 50 ms doubling up to 5 s as long
 * as deaths come quickly. */
int64_t bsc_backoff_delay(struct bsc_backoff *backoff, int64_t lived_ms);

#endif
