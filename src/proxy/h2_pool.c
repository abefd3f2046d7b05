/* SPDX-License-Identifier: Apache-2.0
 * proxy/h2_pool.c - see h2_pool.h. */
#include "proxy/h2_pool.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    SMALLEST = 64,
    LARGE = BSC_H2_POOL_CLASSES, /* class of what is not kept */
    KEPT_BYTES = 1024 * 1024     /* of each class; the rest goes back to the system */
};

/* In front of each block, so that it can be given back. */
struct header {
    _Alignas(16) uint32_t class;
    size_t size; /* that may be used */
};

static unsigned class_of(size_t size)
{
    unsigned class = 0;
    while (class < LARGE && (size_t)SMALLEST << class < size)
        class ++;
    return class;
}

static void *take(size_t size, void *context)
{
    struct bsc_h2_pool *pool = context;
    unsigned class = class_of(size);
    struct header *header;
    if (class < LARGE && pool->idle[class]) {
        header = pool->idle[class];
        memcpy(&pool->idle[class], header + 1, sizeof pool->idle[class]);
        pool->idle_count[class]--;
        return header + 1;
    }
    if (class < LARGE)
        size = (size_t)SMALLEST << class;
    if (size > SIZE_MAX - sizeof *header || !(header = malloc(sizeof *header + size)))
        abort();
    header->class = class;
    header->size = size;
    return header + 1;
}

#ifdef __SANITIZE_ADDRESS__
enum { KEEPS = 0 }; /* so that the sanitizer sees a use of what was given back */
#else
enum { KEEPS = 1 };
#endif

static void give(void *block, void *context)
{
    struct bsc_h2_pool *pool = context;
    if (!block)
        return;
    struct header *header = (struct header *)block - 1;
    unsigned class = header->class;
    if (!KEEPS || class == LARGE ||
        pool->idle_count[class] >= (unsigned)KEPT_BYTES / (SMALLEST << class)) {
        free(header);
        return;
    }
    memcpy(block, &pool->idle[class], sizeof pool->idle[class]);
    pool->idle[class] = header;
    pool->idle_count[class]++;
}

static void *take_zeroed(size_t count, size_t size, void *context)
{
    if (size && count > SIZE_MAX / size)
        abort();
    return memset(take(count * size, context), 0, count * size);
}

static void *retake(void *block, size_t size, void *context)
{
    if (!block)
        return take(size, context);
    size_t had = ((struct header *)block - 1)->size;
    if (size <= had)
        return block;
    void *larger = take(size, context);
    memcpy(larger, block, had);
    give(block, context);
    return larger;
}

void bsc_h2_pool_init(struct bsc_h2_pool *pool)
{
    *pool = (struct bsc_h2_pool){ .mem = { .mem_user_data = pool,
                                           .malloc = take,
                                           .free = give,
                                           .calloc = take_zeroed,
                                           .realloc = retake } };
}
