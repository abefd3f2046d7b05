/* SPDX-License-Identifier: Apache-2.0
 * config/problems.c - see problems.h. */
#include "config/problems.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bsc_problem_add(struct bsc_config_problems *problems, const char *file, unsigned line,
                     const char *key, const char *format, ...)
{
    if (problems->count > BSC_PROBLEMS_MAX)
        return;
    problems->items = bsc_grow(problems->items, &problems->capacity, problems->count + 1,
                               sizeof *problems->items);
    struct bsc_config_problem *problem = &problems->items[problems->count++];
    struct bsc_arena *arena = &problems->arena;
    if (problems->count > BSC_PROBLEMS_MAX) {
        *problem = (struct bsc_config_problem){ bsc_arena_copy(arena, file), line, "",
                                                "there are more problems than are shown" };
        return;
    }
    char text[BSC_ERROR_TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    *problem =
        (struct bsc_config_problem){ bsc_arena_copy(arena, file), line, bsc_arena_copy(arena, key),
                                     bsc_arena_copy(arena, text) };
}

void bsc_config_problems_deinit(struct bsc_config_problems *problems)
{
    free(problems->items);
    bsc_arena_deinit(&problems->arena);
    *problems = (struct bsc_config_problems){ 0 };
}

/* By insertion: stable, and there are few. */
void bsc_problems_sort(struct bsc_config_problems *problems)
{
    for (size_t i = 1; i < problems->count; i++) {
        struct bsc_config_problem problem = problems->items[i];
        size_t at = i;
        for (; at > 0 && problems->items[at - 1].line > problem.line; at--)
            problems->items[at] = problems->items[at - 1];
        problems->items[at] = problem;
    }
}
