/* SPDX-License-Identifier: Apache-2.0
 * base/arena.h - memory that is freed all at once.
 *
 * For data that is built, read and thrown away together: a configuration, a specification, a
 * message. Allocation never fails: when memory runs out the process says so and aborts, because
 * every process here is restarted by its parent and goes on from what is stored.
 */
#ifndef BASCULE_BASE_ARENA_H
#define BASCULE_BASE_ARENA_H

#include <stddef.h>

#include "base/error.h"

struct bsc_arena_block;

struct bsc_arena {
    struct bsc_arena_block *blocks; /* newest first */
};

void bsc_arena_init(struct bsc_arena *arena);
void bsc_arena_deinit(struct bsc_arena *arena); /* frees everything; the arena is empty again */

/* Zeroed, aligned for any type. `size` may be 0. */
void *bsc_arena_alloc(struct bsc_arena *arena, size_t size);
char *bsc_arena_copy(struct bsc_arena *arena, const char *text); /* NULL gives NULL */
char *bsc_arena_copy_bytes(struct bsc_arena *arena, const char *text, size_t size); /* adds a NUL */
char *bsc_arena_printf(struct bsc_arena *arena, const char *format, ...) BSC_PRINTF(2, 3);

/* malloc family under the same rule: they return memory or abort. */
void *bsc_alloc(size_t size); /* zeroed */
void *bsc_realloc(void *memory, size_t size);
char *bsc_copy(const char *text); /* NULL gives NULL */

/* Makes room for `count` elements of `size` bytes in a growing array; returns the array. */
void *bsc_grow(void *array, size_t *capacity, size_t count, size_t size);

#endif
