/* SPDX-License-Identifier: Apache-2.0
 * proxy/memory.c - see memory.h. */
#include "proxy/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

static const uint32_t capacities[BSC_BUFFER_KINDS] = { BSC_BUFFER_SMALL, BSC_BUFFER_USUAL,
                                                       BSC_BUFFER_LARGE, BSC_BUFFER_KEPT };
/* How many of each a worker keeps, about a megabyte a kind; the rest goes back to the system. */
static const unsigned kept[BSC_BUFFER_KINDS] = { 256, 64, 16, 8 };

struct bsc_buffer *bsc_buffer_lend(struct bsc_buffers *buffers, size_t at_least)
{
    uint32_t kind = 0;
    while (capacities[kind] < at_least) {
        kind++;
        assert(kind < BSC_BUFFER_KINDS);
    }
    struct bsc_buffer *buffer = buffers->idle[kind];
    if (buffer) {
        buffers->idle[kind] = buffer->next;
        buffers->idle_count[kind]--;
    } else {
        buffer = malloc(sizeof *buffer + capacities[kind]);
        if (!buffer)
            abort();
        buffer->capacity = capacities[kind];
        buffer->kind = kind;
    }
    buffers->lent_bytes += buffer->capacity;
    buffer->next = NULL;
    buffer->begin = buffer->end = 0;
    return buffer;
}

void bsc_buffer_return(struct bsc_buffers *buffers, struct bsc_buffer **from)
{
    struct bsc_buffer *buffer = *from;
    *from = NULL;
    if (!buffer)
        return;
    buffers->lent_bytes -= buffer->capacity;
    if (buffers->idle_count[buffer->kind] >= kept[buffer->kind]) {
        free(buffer);
        return;
    }
    buffer->next = buffers->idle[buffer->kind];
    buffers->idle[buffer->kind] = buffer;
    buffers->idle_count[buffer->kind]++;
}

void bsc_slab_init(struct bsc_slab *slab, size_t size)
{
    slab->size = (size + 15) & ~(size_t)15;
    slab->idle = NULL;
}

#ifdef __SANITIZE_ADDRESS__

/* So that the sanitizer sees a use of what was given back. */
void *bsc_slab_take(struct bsc_slab *slab)
{
    return bsc_alloc(slab->size);
}

void bsc_slab_give(struct bsc_slab *slab, void *object)
{
    (void)slab;
    free(object);
}

#else

enum { OBJECTS_AT_ONCE = 64 };

void *bsc_slab_take(struct bsc_slab *slab)
{
    if (!slab->idle) {
        char *block = malloc(slab->size * OBJECTS_AT_ONCE);
        if (!block)
            abort();
        for (unsigned i = 0; i < OBJECTS_AT_ONCE; i++)
            bsc_slab_give(slab, block + i * slab->size);
    }
    void *object = slab->idle;
    memcpy(&slab->idle, object, sizeof slab->idle);
    return memset(object, 0, slab->size);
}

void bsc_slab_give(struct bsc_slab *slab, void *object)
{
    memcpy(object, &slab->idle, sizeof slab->idle);
    slab->idle = object;
}

#endif
