/* SPDX-License-Identifier: Apache-2.0
 * base/suggest.c - see suggest.h. */
#include "base/suggest.h"

#include <stdbool.h>
#include <string.h>

enum { LONGEST = 32 };

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned bsc_suggest_distance(const char *a, const char *b)
{
    size_t a_size = strlen(a), b_size = strlen(b);
    unsigned cost[LONGEST + 1][LONGEST + 1];
    if (a_size > LONGEST || b_size > LONGEST)
        return LONGEST;
    for (unsigned i = 0; i <= a_size; i++)
        cost[i][0] = i;
    for (unsigned j = 0; j <= b_size; j++)
        cost[0][j] = j;
    for (unsigned i = 1; i <= a_size; i++)
        for (unsigned j = 1; j <= b_size; j++) {
            unsigned replaced = cost[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            cost[i][j] = least(replaced, least(cost[i - 1][j], cost[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                cost[i][j] = least(cost[i][j], cost[i - 2][j - 2] + 1);
        }
    return cost[a_size][b_size];
}

void bsc_suggest_begin(struct bsc_suggestions *suggestions, const char *typed)
{
    *suggestions = (struct bsc_suggestions){ .typed = typed };
}

void bsc_suggest_offer(struct bsc_suggestions *suggestions, const char *candidate)
{
    size_t size = strlen(suggestions->typed);
    /* Two errors in a word of three letters would make everything near. */
    unsigned errors = size < 4 ? 1 : 2;
    bool begins = size > 0 && !strncmp(candidate, suggestions->typed, size);
    unsigned distance = begins ? 0 : bsc_suggest_distance(suggestions->typed, candidate);
    if (distance > errors || (suggestions->count && distance > suggestions->distance))
        return;
    if (suggestions->count && distance < suggestions->distance) {
        suggestions->count = 0;
        suggestions->last = NULL;
        bsc_text_clear(&suggestions->text);
    }
    suggestions->distance = distance;
    if (suggestions->last && suggestions->count > 1)
        bsc_text_puts(&suggestions->text, ", ");
    if (suggestions->last)
        bsc_text_puts(&suggestions->text, suggestions->last);
    suggestions->last = candidate;
    suggestions->count++;
}

const char *bsc_suggest_end(struct bsc_suggestions *suggestions)
{
    if (!suggestions->count)
        return "";
    struct bsc_text said = { 0 };
    bsc_text_printf(&said, "; did you mean %s%s%s?", bsc_text_get(&suggestions->text),
                    suggestions->count > 1 ? " or " : "", suggestions->last);
    bsc_text_deinit(&suggestions->text);
    suggestions->text = said;
    return bsc_text_get(&suggestions->text);
}

void bsc_suggest_deinit(struct bsc_suggestions *suggestions)
{
    bsc_text_deinit(&suggestions->text);
}
