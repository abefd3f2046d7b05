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

enum { WORD_MAX = 40 };

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Edits (insert, delete, replace, swap neighbours) from `a` to `b`: optimal string alignment. */
static unsigned distance(const char *a, const char *b)
{
    size_t a_size = strlen(a), b_size = strlen(b);
    unsigned rows[3][WORD_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b_size; j++)
        last[j] = (unsigned)j;
    for (size_t i = 1; i <= a_size; i++) {
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b_size; j++) {
            now[j] = least(least(last[j], now[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
        unsigned *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[b_size];
}

const char *bsc_suggest(const char *word, const char *const *candidates, size_t count)
{
    const char *best = NULL;
    size_t size = strlen(word);
    if (size > WORD_MAX)
        return NULL;
    unsigned best_distance = size < 4 ? 2 : size < 8 ? 3 : 4; /* must be nearer than that */
    for (size_t i = 0; i < count; i++) {
        size_t candidate_size = strlen(candidates[i]);
        if (candidate_size > WORD_MAX)
            continue;
        unsigned d = distance(word, candidates[i]);
        if (d < best_distance && d < candidate_size) {
            best_distance = d;
            best = candidates[i];
        }
    }
    return best;
}
