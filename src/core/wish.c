/* SPDX-License-Identifier: Apache-2.0
 * core/wish.c - see wish.h. */
#include "core/wish.h"

#include <stdio.h>
#include <string.h>

#include "core/match.h"

enum { PERCENT_BP = 100, SHOWN = 32 };

static size_t skip_spaces(const char *text, size_t size, size_t at)
{
    while (at < size && text[at] == ' ')
        at++;
    return at;
}

static size_t parse_digits(const char *text, size_t size, size_t at, unsigned most, unsigned *out)
{
    size_t begin = at;
    *out = 0;
    for (; at < size && text[at] >= '0' && text[at] <= '9' && at - begin < most; at++)
        *out = *out * 10 + (unsigned)(text[at] - '0');
    return at;
}

bool bsc_share_parse(const char *text, size_t size, unsigned *out_bp)
{
    unsigned whole, part = 0;
    size_t begin = skip_spaces(text, size, 0);
    size_t at = parse_digits(text, size, begin, 3, &whole);
    if (at == begin)
        return false;
    if (at < size && text[at] == '.') {
        size_t point = at++;
        at = parse_digits(text, size, at, 2, &part);
        if (at == point + 1)
            return false;
        if (at == point + 2)
            part *= 10;
    }
    at = skip_spaces(text, size, at);
    if (at < size && text[at] == '%')
        at = skip_spaces(text, size, at + 1);
    *out_bp = whole * PERCENT_BP + part;
    return at == size && *out_bp > 0 && *out_bp < BSC_WEIGHT_FULL_BP;
}

const char *bsc_share_format(unsigned share_bp, char out[static BSC_SHARE_BYTES])
{
    snprintf(out, BSC_SHARE_BYTES, "%g%%", share_bp / (double)PERCENT_BP);
    return out;
}

bool bsc_canary_steps_add(struct bsc_canary_steps *steps, unsigned share_bp)
{
    if (steps->count == BSC_CANARY_STEPS_MAX ||
        (steps->count && steps->weight_bp[steps->count - 1] >= share_bp))
        return false;
    steps->weight_bp[steps->count++] = share_bp;
    return true;
}

enum bsc_status bsc_canary_steps_parse(const char *text, struct bsc_canary_steps *out,
                                       struct bsc_error *error)
{
    *out = (struct bsc_canary_steps){ 0 };
    for (const char *at = text;; at++) {
        unsigned share_bp;
        size_t size = strcspn(at, ",");
        if (!bsc_share_parse(at, size, &share_bp) || !bsc_canary_steps_add(out, share_bp))
            return bsc_error_set(error, BSC_INVALID,
                                 "expected at most %d rising percentages below 100 such as "
                                 "5,25,50 or 0.01%%, found '%.*s%s'",
                                 BSC_CANARY_STEPS_MAX, (int)(size < SHOWN ? size : SHOWN), at,
                                 size < SHOWN ? "" : "...");
        at += size;
        if (!*at)
            return BSC_OK;
    }
}

enum bsc_status bsc_deploy_wish_apply(const struct bsc_deploy_wish *wish, struct bsc_spec *spec,
                                      struct bsc_error *error)
{
    struct bsc_deploy_spec *deploy = &spec->deploy;
    if (wish->has_strategy)
        deploy->strategy = wish->strategy;
    if (wish->has_bake)
        deploy->bake_ms = wish->bake_ms;
    if (deploy->strategy == BSC_STRATEGY_SHADOW && spec->speech == BSC_SPEECH_TCP)
        return bsc_error_set(error, BSC_INVALID,
                             "the strategy shadow compares answers of HTTP, and this service "
                             "speaks tcp");
    if ((wish->steps.count || wish->match) && deploy->strategy != BSC_STRATEGY_CANARY)
        return bsc_error_set(error, BSC_INVALID,
                             "%s are for the strategy canary, and this one is another",
                             wish->steps.count ? "steps" : "match rules");
    if (wish->steps.count)
        deploy->steps = wish->steps;
    if (!wish->match)
        return BSC_OK;
    enum bsc_status status = bsc_match_parse(wish->match, &spec->arena, &deploy->match, error);
    return status ? status : bsc_match_check(&deploy->match, spec->speech, error);
}
