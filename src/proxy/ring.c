/* SPDX-License-Identifier: Apache-2.0
 * proxy/ring.c - see ring.h. */
#include "proxy/ring.h"

#include <string.h>

#include "base/arena.h"

static void copy_in(struct bsc_ring *ring, uint64_t at, const void *bytes, size_t size)
{
    size_t place = at % ring->capacity, first = ring->capacity - place;
    if (first > size)
        first = size;
    memcpy(ring->bytes + place, bytes, first);
    memcpy(ring->bytes, (const char *)bytes + first, size - first);
}

uint64_t bsc_ring_used(const struct bsc_ring *ring)
{
    uint64_t read = atomic_load_explicit(&ring->read, memory_order_acquire);
    return atomic_load_explicit(&ring->written, memory_order_acquire) - read;
}

bool bsc_ring_put(struct bsc_ring *ring, const struct bsc_piece *pieces, unsigned count)
{
    uint64_t written = atomic_load_explicit(&ring->written, memory_order_relaxed);
    uint64_t used = written - atomic_load_explicit(&ring->read, memory_order_acquire);
    size_t size = 0;
    for (unsigned i = 0; i < count; i++)
        size += pieces[i].size;
    if (size > ring->capacity - used)
        return false;
    if (!ring->bytes)
        ring->bytes = bsc_alloc(ring->capacity);
    for (unsigned i = 0; i < count; i++) {
        if (pieces[i].size)
            copy_in(ring, written, pieces[i].bytes, pieces[i].size);
        written += pieces[i].size;
    }
    atomic_store_explicit(&ring->written, written, memory_order_release);
    return true;
}

bool bsc_ring_look(const struct bsc_ring *ring, size_t at, void *out, size_t size)
{
    uint64_t read = atomic_load_explicit(&ring->read, memory_order_relaxed);
    if (read == atomic_load_explicit(&ring->written, memory_order_acquire))
        return false;
    size_t place = (read + at) % ring->capacity, first = ring->capacity - place;
    if (first > size)
        first = size;
    memcpy(out, ring->bytes + place, first);
    memcpy((char *)out + first, ring->bytes, size - first);
    return true;
}

void bsc_ring_pass(struct bsc_ring *ring, size_t size)
{
    uint64_t read = atomic_load_explicit(&ring->read, memory_order_relaxed);
    atomic_store_explicit(&ring->read, read + size, memory_order_release);
}
