/* SPDX-License-Identifier: Apache-2.0
 * cli/init_table.c - which strategy is right for whom; see init.h. */
#include <string.h>

#include "base/arena.h"
#include "base/suggest.h"
#include "cli/init.h"
#include "core/plan.h"

const struct bsc_init_row bsc_init_rows[] = {
    { "no-coexistence", "Must two versions of the service never run at the same time?", "recreate",
      "requests wait while the old version stops and the new one starts" },
    { "business-metrics", "Shall conversions or revenue decide between two versions?", "ab",
      "users are divided, each stays with a version, and what they do decides" },
    { "real-traffic-without-risk",
      "Shall it see real traffic before any user gets one of its answers?", "shadow",
      "requests are copied to the new version, and its answers compared and thrown away" },
    { "few-users-first", "Shall a fault reach a few users at most before it is found?", "canary",
      "the new version gets the traffic in steps, each one watched" },
    { "tight-budget", "Is there no room for twice the instances?", "rolling",
      "instances are replaced in batches, within a fixed capacity" },
    { "frequent-small-changes", "Are there frequent, small changes?", "rolling",
      "instances are replaced in batches, without much ado" },
    { "no-downtime", "Shall there be no downtime at all, and an instant way back?", "blue-green",
      "all the traffic goes over at once, and the old version stays warm" },
};
const unsigned bsc_init_row_count = sizeof bsc_init_rows / sizeof *bsc_init_rows;

bool bsc_init_is_offered(const struct bsc_init_row *row)
{
    enum bsc_strategy strategy;
    return bsc_strategy_parse(row->strategy, &strategy);
}

static const struct bsc_init_row *find(const char *word)
{
    for (unsigned i = 0; i < bsc_init_row_count; i++)
        if (bsc_init_is_offered(&bsc_init_rows[i]) && !strcmp(bsc_init_rows[i].word, word))
            return &bsc_init_rows[i];
    return NULL;
}

static enum bsc_status unknown_word(const char *word, struct bsc_error *error)
{
    struct bsc_suggestions suggestions;
    struct bsc_text all = { 0 };
    bsc_suggest_begin(&suggestions, word);
    for (unsigned i = 0; i < bsc_init_row_count; i++) {
        if (!bsc_init_is_offered(&bsc_init_rows[i]))
            continue;
        bsc_suggest_offer(&suggestions, bsc_init_rows[i].word);
        bsc_text_printf(&all, "%s%s", all.size ? ", " : "", bsc_init_rows[i].word);
    }
    bsc_error_set(error, BSC_INVALID, "--answers knows %s, not '%s'%s", bsc_text_get(&all), word,
                  bsc_suggest_end(&suggestions));
    bsc_text_deinit(&all);
    bsc_suggest_deinit(&suggestions);
    return BSC_INVALID;
}

enum bsc_status bsc_init_decide(const char *words, const struct bsc_init_row **out,
                                struct bsc_error *error)
{
    struct bsc_arena arena;
    enum bsc_status status = BSC_OK;
    *out = NULL;
    bsc_arena_init(&arena);
    while (!status && *words) {
        size_t size = strcspn(words, ",");
        const char *word = bsc_arena_copy_bytes(&arena, words, size);
        const struct bsc_init_row *row = find(word);
        if (!row)
            status = unknown_word(word, error);
        else if (!*out || row < *out)
            *out = row;
        words += size + (words[size] == ',');
    }
    bsc_arena_deinit(&arena);
    return status;
}
