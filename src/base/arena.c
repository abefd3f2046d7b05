/* SPDX-License-Identifier: Apache-2.0
 * base/arena.c - see arena.h. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 4096 };

struct bsc_arena_block {
    struct bsc_arena_block *next;
    size_t size, used;
    alignas(max_align_t) char bytes[];
};

static void out_of_memory(size_t size)
{
    fprintf(stderr, "bascule: out of memory (%zu bytes wanted)\n", size);
    abort();
}

void *bsc_alloc(size_t size)
{
    void *memory = calloc(1, size ? size : 1);
    if (!memory)
        out_of_memory(size);
    return memory;
}

void *bsc_realloc(void *memory, size_t size)
{
    void *moved = realloc(memory, size ? size : 1);
    if (!moved)
        out_of_memory(size);
    return moved;
}

char *bsc_copy(const char *text)
{
    if (!text)
        return NULL;
    size_t size = strlen(text) + 1;
    return memcpy(bsc_alloc(size), text, size);
}

void *bsc_grow(void *array, size_t *capacity, size_t count, size_t size)
{
    if (count <= *capacity)
        return array;
    size_t wanted = *capacity ? *capacity : 8;
    while (wanted < count)
        wanted *= 2;
    *capacity = wanted;
    return bsc_realloc(array, wanted * size);
}

void bsc_arena_init(struct bsc_arena *arena)
{
    arena->blocks = NULL;
}

void bsc_arena_deinit(struct bsc_arena *arena)
{
    while (arena->blocks) {
        struct bsc_arena_block *block = arena->blocks;
        arena->blocks = block->next;
        free(block);
    }
}

void *bsc_arena_alloc(struct bsc_arena *arena, size_t size)
{
    size_t align = alignof(max_align_t);
    size = (size + align - 1) / align * align;
    struct bsc_arena_block *block = arena->blocks;
    if (!block || block->size - block->used < size) {
        size_t room = size > BLOCK_BYTES / 2 ? size : BLOCK_BYTES - sizeof *block;
        block = bsc_alloc(sizeof *block + room);
        block->size = room;
        block->next = arena->blocks;
        arena->blocks = block;
    }
    void *memory = block->bytes + block->used;
    block->used += size;
    return memory;
}

char *bsc_arena_copy_bytes(struct bsc_arena *arena, const char *text, size_t size)
{
    char *copy = bsc_arena_alloc(arena, size + 1);
    memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

char *bsc_arena_copy(struct bsc_arena *arena, const char *text)
{
    return text ? bsc_arena_copy_bytes(arena, text, strlen(text)) : NULL;
}

char *bsc_arena_printf(struct bsc_arena *arena, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = bsc_arena_alloc(arena, (size_t)(size < 0 ? 0 : size) + 1);
    vsnprintf(text, (size_t)(size < 0 ? 0 : size) + 1, format, again);
    va_end(again);
    return text;
}
