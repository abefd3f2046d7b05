/* SPDX-License-Identifier: Apache-2.0
 * proxy/ring.h - records on their way from one thread to another, in bounded memory.
 *
 * One producer, one consumer, no lock. A record is a header, whose first member is its size as
 * uint32_t, and what follows it; positions only grow, the place is their remainder. The memory
 * comes with the first record and is kept for good.
 */
#ifndef BASCULE_PROXY_RING_H
#define BASCULE_PROXY_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bsc_ring {
    _Atomic uint64_t written;
    char *bytes;
    uint64_t capacity;
    char apart[40]; /* the two sides do not share a cache line */
    _Atomic uint64_t read;
    char behind[56];
};

struct bsc_piece {
    const void *bytes;
    size_t size;
};

/* Writes the pieces one behind the other as one record; false: there is no room. */
bool bsc_ring_put(struct bsc_ring *ring, const struct bsc_piece *pieces, unsigned count);
/* Bytes of records that are not done with: less by now when the producer asks, more when the
 * consumer does. */
uint64_t bsc_ring_used(const struct bsc_ring *ring);
/* Copies bytes of the oldest record, from `at` on; false: there is none. */
bool bsc_ring_look(const struct bsc_ring *ring, size_t at, void *out, size_t size);
/* The oldest record, of that size, is done with. */
void bsc_ring_pass(struct bsc_ring *ring, size_t size);

#endif
