/* SPDX-License-Identifier: Apache-2.0
 * core/analysis/judgement.c - what the judge has to say, in numbers and in words; see judge.h. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "core/analysis/internal.h"

static int64_t needed_ms(const struct bsc_judge *judge)
{
    uint64_t units = judge->units.candidate, minimum = judge->options.minimum_units;
    double passed_ms = (double)(judge->last_ms - judge->step_ms);
    if (units >= minimum)
        return 0;
    if (!units)
        return -1;
    return (int64_t)fmin(passed_ms * (double)(minimum - units) / (double)units, 1e15) + 1;
}

static void rule_slow(const struct bsc_judge *judge, struct bsc_judgement *out)
{
    unsigned q = out->proved - BSC_METRIC_SLOW;
    out->slow = judge->metrics[out->proved].total;
    out->slow_us = bsc_histogram_upper_us(judge->limit[q]);
    out->limit = 1 - bsc_quantiles[q];
}

void bsc_judge_rule(const struct bsc_judge *judge, struct bsc_judgement *out)
{
    const struct bsc_metric *errors = &judge->metrics[BSC_METRIC_ERRORS];
    double log_e = bsc_judge_log_e(judge, false), alpha = judge->options.alpha;
    *out = (struct bsc_judgement){
        .proof = judge->proof,
        .proved = judge->proved,
        .coin = bsc_judge_has_coin(judge),
        .by_user = judge->drawing == BSC_DRAWN_BY_USER,
        .by_rule = judge->drawing == BSC_DRAWN_BY_RULE,
        .units = judge->units,
        .errors = errors->total,
        .e = exp(fmin(log_e, 700)),
        .slices = errors->slices,
        .slices_needed = bsc_judge_slices_needed(judge, BSC_METRIC_ERRORS),
        .windows = errors->steady.windows,
        .difference = errors->steady.mean,
        .bound =
            bsc_steady_bound(&errors->steady, bsc_judge_steady_alpha(judge, BSC_METRIC_ERRORS)),
        .minimum_units = judge->options.minimum_units,
        .needed_ms = needed_ms(judge),
        .confident = bsc_judge_confident(judge),
        .margin = judge->options.margin,
    };
    const struct bsc_baseline *before = &judge->baseline;
    out->candidate = bsc_interval_of(out->errors.candidate, out->units.candidate, alpha);
    out->live = out->coin ? bsc_interval_of(out->errors.live, out->units.live, alpha)
                          : bsc_interval_of(before->errors, before->units, alpha / 2);
    out->p = bsc_judge_p(judge);
    for (unsigned q = 0; q < BSC_QUANTILES; q++) {
        out->candidate_us[q] = judge->candidate_us[q];
        out->live_us[q] = out->coin ? judge->live_us[q] : before->quantile_us[q];
    }
    if (judge->proof == BSC_PROOF_CEILING)
        out->limit = judge->options.ceiling;
    else if (judge->proved >= BSC_METRIC_SLOW)
        rule_slow(judge, out);
    else if (judge->proof == BSC_PROOF_BEFORE)
        out->limit = bsc_judge_before_limit(judge);
    if (judge->proof != BSC_PROOF_NONE)
        out->finding = BSC_FINDING_HARM;
    else if (!out->needed_ms)
        out->finding = BSC_FINDING_GOOD;
}

/* -- in words -------------------------------------------------------------------------------- */

enum { PERCENT_BYTES = 32 };

/* "4.8 %", "0.012 %" */
static const char *percent(double rate, char out[static PERCENT_BYTES])
{
    snprintf(out, PERCENT_BYTES, "%.*g %%", rate < 0.1 ? 2 : 3, rate * 100);
    return out;
}

/* "25 ms" */
static const char *latency(uint64_t us, char out[static PERCENT_BYTES])
{
    snprintf(out, PERCENT_BYTES, us < 10000 ? "%.2g ms" : "%.0f ms", (double)us / 1000);
    return out;
}

static double share(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

static const char *requests_of(const struct bsc_judgement *it)
{
    return it->by_rule ? "requests of chosen users" : "requests";
}

static void text_errors(const struct bsc_judgement *it, const char *candidate, const char *live,
                        char *out, size_t size)
{
    char rate[PERCENT_BYTES], other[PERCENT_BYTES], limit[PERCENT_BYTES];
    percent(it->candidate.rate, rate);
    percent(it->live.rate, other);
    percent(it->limit, limit);
    size_t used = (size_t)snprintf(
        out, size, "%s fails %s of its %s (%" PRIu64 " of %" PRIu64 "), ", candidate, rate,
        requests_of(it), it->errors.candidate, it->units.candidate);
    if (used >= size)
        return;
    if (it->proof == BSC_PROOF_CEILING)
        snprintf(out + used, size - used, "the ceiling is %s", limit);
    else if (it->proof == BSC_PROOF_BEFORE)
        snprintf(out + used, size - used, "%s failed %s before it; the limit is %s", live, other,
                 limit);
    else if (it->proof == BSC_PROOF_FAST)
        snprintf(out + used, size - used, "%s fails %s at the same time (p = %.2g)", live, other,
                 it->p);
    else
        snprintf(out + used, size - used, "%s fails %s at the same time, over %" PRIu64 " seconds",
                 live, other, it->windows);
}

static void text_slow(const struct bsc_judgement *it, const char *candidate, const char *live,
                      char *out, size_t size)
{
    unsigned q = it->proved - BSC_METRIC_SLOW;
    char slow[PERCENT_BYTES], other[PERCENT_BYTES], limit[PERCENT_BYTES], its[PERCENT_BYTES],
        theirs[PERCENT_BYTES];
    percent(share(it->slow.candidate, it->units.candidate), slow);
    percent(it->proof == BSC_PROOF_BEFORE ? it->limit : share(it->slow.live, it->units.live),
            other);
    latency(it->slow_us, limit);
    latency(it->candidate_us[q], its);
    latency(it->live_us[q], theirs);
    const char *name = bsc_metric_name(it->proved);
    if (it->proof == BSC_PROOF_BEFORE)
        snprintf(out, size,
                 "%s is slower than %s was before it: its %s is %s, that of %s was %s; %s of its "
                 "answers take longer than %s",
                 candidate, live, name, its, live, theirs, slow, limit);
    else
        snprintf(out, size,
                 "%s is slower than %s: %s of its answers take longer than %s, and %s of those of "
                 "%s at the same time; its %s is %s, the other's %s",
                 candidate, live, slow, limit, other, live, name, its, theirs);
}

static void text_needed(const struct bsc_judgement *it, char *out, size_t size)
{
    char duration[BSC_DURATION_BYTES];
    int64_t rounded_ms = it->needed_ms < 60000 ? (it->needed_ms + 999) / 1000 * 1000
                                               : (it->needed_ms + 59999) / 60000 * 60000;
    if (it->needed_ms < 0)
        snprintf(out, size, "0 of %" PRIu64 " %s, and none comes", it->minimum_units,
                 requests_of(it));
    else
        snprintf(out, size, "%" PRIu64 " of %" PRIu64 " %s, about %s at this rate",
                 it->units.candidate, it->minimum_units, requests_of(it),
                 bsc_duration_format(rounded_ms, duration));
}

static void text_good(const struct bsc_judgement *it, const char *candidate, const char *live,
                      char *out, size_t size)
{
    char rate[PERCENT_BYTES], high[PERCENT_BYTES], other[PERCENT_BYTES];
    percent(it->candidate.rate, rate);
    percent(it->candidate.high, high);
    percent(it->live.rate, other);
    snprintf(out, size, "no harm seen: %s fails %s of %" PRIu64 " %s (at most %s), %s %s %s",
             candidate, rate, it->units.candidate, requests_of(it), high, live,
             it->coin ? "fails" : "failed before it", other);
    size_t used = strlen(out);
    if (it->confident)
        snprintf(out + used, size - used, "; it is shown to be no worse than the margin");
    else if (it->margin > 0 && it->coin)
        snprintf(out + used, size - used,
                 "; it is not shown yet to fail less than %.4g times as many", it->margin);
}

void bsc_judgement_text(const struct bsc_judgement *judgement, const char *candidate,
                        const char *live, char *out, size_t size)
{
    if (judgement->finding == BSC_FINDING_INCONCLUSIVE)
        text_needed(judgement, out, size);
    else if (judgement->finding == BSC_FINDING_GOOD)
        text_good(judgement, candidate, live, out, size);
    else if (judgement->proved == BSC_METRIC_ERRORS)
        text_errors(judgement, candidate, live, out, size);
    else
        text_slow(judgement, candidate, live, out, size);
}

const char *bsc_finding_name(enum bsc_finding finding)
{
    static const char *const names[] = { "inconclusive", "good", "harm" };
    return names[finding];
}

const char *bsc_proof_name(enum bsc_proof proof)
{
    static const char *const names[BSC_PROOF_COUNT] = { "none", "fast", "steady", "before",
                                                        "ceiling" };
    return names[proof];
}

const char *bsc_metric_name(enum bsc_metric_kind metric)
{
    static const char *const names[BSC_METRIC_COUNT] = { "errors", "p50", "p90", "p99" };
    return names[metric];
}
