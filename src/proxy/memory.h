/* SPDX-License-Identifier: Apache-2.0
 * proxy/memory.h - a worker's memory: buffers lent while bytes move, and slabs of objects.
 *
 * One worker, one owner: nothing here is locked. Running out of memory ends the process, which its
 * supervisor replaces (base/arena.h).
 */
#ifndef BASCULE_PROXY_MEMORY_H
#define BASCULE_PROXY_MEMORY_H

#include <stddef.h>
#include <stdint.h>

enum {
    BSC_BUFFER_SMALL = 4 * 1024,  /* the head of a request in flight */
    BSC_BUFFER_USUAL = 16 * 1024, /* what is read at once */
    BSC_BUFFER_LARGE = 64 * 1024, /* large heads, and bodies that keep coming */
    BSC_BUFFER_KEPT = 128 * 1024, /* a request with its body, to be sent again */
    BSC_BUFFER_KINDS = 4
};

/* Holds bytes[begin .. end). */
struct bsc_buffer {
    struct bsc_buffer *next;
    uint32_t begin, end;
    uint32_t capacity;
    uint32_t kind;
    char bytes[];
};

static inline uint32_t bsc_buffer_size(const struct bsc_buffer *buffer)
{
    return buffer ? buffer->end - buffer->begin : 0;
}

struct bsc_buffers {
    struct bsc_buffer *idle[BSC_BUFFER_KINDS];
    unsigned idle_count[BSC_BUFFER_KINDS];
    uint64_t lent_bytes;
};

/* An empty buffer of at least `at_least` (up to BSC_BUFFER_KEPT) bytes. */
struct bsc_buffer *bsc_buffer_lend(struct bsc_buffers *buffers, size_t at_least);
/* Gives *buffer back, if there is one, and forgets it. */
void bsc_buffer_return(struct bsc_buffers *buffers, struct bsc_buffer **buffer);

struct bsc_slab {
    size_t size;
    void *idle;
};

void bsc_slab_init(struct bsc_slab *slab, size_t size);
void *bsc_slab_take(struct bsc_slab *slab); /* zeroed */
void bsc_slab_give(struct bsc_slab *slab, void *object);

#endif
