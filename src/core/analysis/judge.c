/* SPDX-License-Identifier: Apache-2.0
 * core/analysis/judge.c - see judge.h. What it says is in judgement.c. */
#include "core/analysis/judge.h"

#include <math.h>

#include "core/analysis/internal.h"

const double bsc_metric_shares[BSC_METRIC_COUNT] = { 1.0 / 2, 1.0 / 6, 1.0 / 6, 1.0 / 6 };

struct bsc_judge_options bsc_judge_options_default(void)
{
    return (struct bsc_judge_options){ .alpha = 0.01,
                                       .tolerated = 1,
                                       .slower = 1.25,
                                       .before_errors = 2,
                                       .before_latency = 1.5,
                                       .minimum_units = 100,
                                       .latency = true };
}

void bsc_judge_init(struct bsc_judge *judge, const struct bsc_judge_options *options,
                    const struct bsc_baseline *baseline)
{
    *judge = (struct bsc_judge){ .options = *options };
    if (baseline)
        judge->baseline = *baseline;
    judge->slow_known = options->latency && judge->baseline.quantile_us[0];
    for (unsigned m = 0; m < BSC_METRIC_COUNT; m++)
        bsc_metric_init(&judge->metrics[m]);
}

void bsc_judge_step(struct bsc_judge *judge)
{
    judge->units = judge->window_units = (struct bsc_tally){ 0 };
    judge->step_ms = judge->window_ms = judge->last_ms;
    for (unsigned m = 0; m < BSC_METRIC_COUNT; m++)
        bsc_metric_step(&judge->metrics[m]);
}

bool bsc_judge_has_coin(const struct bsc_judge *judge)
{
    return judge->begun && judge->drawing != BSC_DRAWN_BY_RULE && judge->weight > 0 &&
           judge->weight < 1;
}

/* -- reading a sample ------------------------------------------------------------------------ */

/* Counters of one sample. */
struct reading {
    struct bsc_tally units, events[BSC_METRIC_COUNT];
};

static struct bsc_tally at_least(struct bsc_tally a, struct bsc_tally b)
{
    return (struct bsc_tally){ a.candidate > b.candidate ? a.candidate : b.candidate,
                               a.live > b.live ? a.live : b.live };
}

static void add(struct bsc_tally *sum, struct bsc_tally other)
{
    sum->candidate += other.candidate;
    sum->live += other.live;
}

static struct bsc_tally overdue_at(const struct bsc_judge *judge, const struct bsc_sample *sample,
                                   unsigned q)
{
    int64_t limit_ms = (int64_t)(bsc_histogram_upper_us(judge->limit[q]) / 1000) + 1;
    struct bsc_tally answered = { sample->candidate.answered, sample->live.answered };
    return bsc_overdue_of(&judge->overdue, sample->at_ms - limit_ms, &answered);
}

/* Slow answers count while both versions' are known; what is overdue is slow already, and a unit
 * although it has not ended. A bound that sinks does not take back what was counted. */
static struct reading read_sample(const struct bsc_judge *judge, const struct bsc_sample *sample,
                                  bool anew)
{
    const struct bsc_slot_sample *candidate = &sample->candidate, *live = &sample->live;
    struct reading now = { .units = { candidate->units, live->units },
                           .events = { { candidate->errors, live->errors } } };
    if (!judge->slow_known || !candidate->latency || !live->latency)
        return now;
    for (unsigned q = 0; q < BSC_QUANTILES; q++) {
        struct bsc_tally *slow = &now.events[BSC_METRIC_SLOW + q];
        *slow = (struct bsc_tally){ bsc_latency_above(candidate->latency, judge->limit[q]),
                                    bsc_latency_above(live->latency, judge->limit[q]) };
        if (anew)
            continue;
        struct bsc_tally overdue = overdue_at(judge, sample, q);
        add(slow, overdue);
        *slow = at_least(*slow, judge->last_events[BSC_METRIC_SLOW + q]);
        if (q == 0) {
            struct bsc_tally known = { candidate->answered, live->answered };
            add(&known, overdue);
            now.units = at_least(at_least(now.units, known), judge->last_units);
        }
    }
    return now;
}

/* User groups that had an error for the first time since the rollout began. */
static uint64_t new_buckets(struct bsc_judge *judge, const uint64_t *bad)
{
    uint64_t count = 0;
    for (unsigned i = 0; bad && i < BSC_BUCKET_WORDS; i++) {
        count += (uint64_t)__builtin_popcountll(bad[i] & ~judge->bad_buckets[i]);
        judge->bad_buckets[i] |= bad[i];
    }
    return count;
}

static struct bsc_judged_instance *instance_find(struct bsc_judge *judge, uint32_t key,
                                                 int64_t now_ms, bool *found)
{
    struct bsc_judged_instance *place = NULL;
    *found = false;
    for (unsigned i = 0; i < BSC_JUDGED_INSTANCES_MAX; i++) {
        struct bsc_judged_instance *at = &judge->instances[i];
        if (at->seen_ms && at->key == key) {
            *found = true;
            return at;
        }
        if (at->seen_ms != now_ms && (!place || at->seen_ms < place->seen_ms))
            place = at;
    }
    return place;
}

/* One event for each instance that had errors and none that counted lately. What is not told apart
 * (no instance was there, or there are too many) is one more. `most`: what the slot was charged
 * with since the last sample; an instance may have been charged for an older split. */
static uint64_t thin(struct bsc_judge *judge, const struct bsc_sample *sample, uint64_t most)
{
    uint64_t counted = 0, known = 0;
    for (unsigned i = 0; i < sample->instance_count; i++) {
        const struct bsc_instance_sample *now = &sample->instances[i];
        bool found;
        struct bsc_judged_instance *at = instance_find(judge, now->key, sample->at_ms, &found);
        if (!at)
            continue;
        if (!found)
            *at = (struct bsc_judged_instance){ .key = now->key, .errors = now->errors };
        uint64_t errors = now->errors > at->errors ? now->errors - at->errors : 0;
        at->errors = now->errors;
        at->seen_ms = sample->at_ms;
        known += errors;
        if (errors && counted < most && bsc_run_counts(&at->run, sample->at_ms))
            counted++;
    }
    if (most > known && bsc_run_counts(&judge->metrics[BSC_METRIC_ERRORS].run, sample->at_ms))
        counted++;
    return counted;
}

static bool went_back(const struct bsc_judge *judge, const struct bsc_sample *sample)
{
    const struct bsc_tally *errors = &judge->last_events[BSC_METRIC_ERRORS];
    return sample->candidate.begun < judge->last_begun.candidate ||
           sample->live.begun < judge->last_begun.live ||
           sample->candidate.errors < errors->candidate || sample->live.errors < errors->live;
}

static void set_limits(struct bsc_judge *judge, bool coin)
{
    double times = coin ? judge->options.slower : judge->options.before_latency;
    for (unsigned q = 0; q < BSC_QUANTILES; q++)
        judge->limit[q] = bsc_latency_limit(judge->baseline.quantile_us[q], times);
}

/* Differences count from here on. Where the coin came or went, other things are compared. */
static void begin(struct bsc_judge *judge, const struct bsc_sample *sample)
{
    bool had_coin = bsc_judge_has_coin(judge), before = judge->begun;
    judge->begun = true;
    judge->generation = sample->generation;
    judge->weight = sample->weight_bp / 10000.0;
    judge->drawing = sample->drawing;
    judge->last_ms = judge->window_ms = sample->at_ms;
    judge->window_units = (struct bsc_tally){ 0 };
    if (!before || had_coin != bsc_judge_has_coin(judge))
        bsc_judge_step(judge);
    set_limits(judge, bsc_judge_has_coin(judge));
    judge->overdue.count = 0;
    for (unsigned m = 0; m < BSC_METRIC_COUNT; m++)
        judge->metrics[m].window = (struct bsc_tally){ 0 };
    (void)new_buckets(judge, sample->candidate.bad_buckets);
    (void)new_buckets(judge, sample->live.bad_buckets);
    (void)thin(judge, sample, 0);
}

static struct bsc_tally minus(struct bsc_tally now, struct bsc_tally then)
{
    return (struct bsc_tally){ now.candidate - then.candidate, now.live - then.live };
}

/* -- the tests ------------------------------------------------------------------------------- */

double bsc_judge_log_e(const struct bsc_judge *judge, bool proven_only)
{
    double values[BSC_METRIC_COUNT];
    for (unsigned m = 0; m < BSC_METRIC_COUNT; m++) {
        const struct bsc_metric *metric = &judge->metrics[m];
        values[m] = bsc_eprocess_log(&metric->process);
        if (proven_only && metric->slices < bsc_judge_slices_needed(judge, m))
            values[m] = -INFINITY;
    }
    if (!judge->slow_known)
        return values[BSC_METRIC_ERRORS];
    return bsc_log_mean(values, bsc_metric_shares, BSC_METRIC_COUNT);
}

double bsc_judge_p(const struct bsc_judge *judge)
{
    return exp(-judge->peak);
}

unsigned bsc_judge_slices_needed(const struct bsc_judge *judge, enum bsc_metric_kind metric)
{
    bool by_instance = metric == BSC_METRIC_ERRORS && judge->drawing == BSC_DRAWN_BY_COIN;
    return bsc_runs_needed(judge->options.alpha / 2, judge->weight,
                           by_instance ? judge->instance_count : 1);
}

static void prove(struct bsc_judge *judge, enum bsc_proof proof, enum bsc_metric_kind metric)
{
    judge->proof = proof;
    judge->proved = metric;
}

/* The metric that says most is named. */
static void look_fast(struct bsc_judge *judge)
{
    judge->peak = fmax(judge->peak, bsc_judge_log_e(judge, false));
    if (bsc_judge_log_e(judge, true) < log(2 / judge->options.alpha))
        return;
    enum bsc_metric_kind most = BSC_METRIC_ERRORS;
    double best = -INFINITY;
    for (unsigned m = 0; m < BSC_METRIC_COUNT; m++) {
        double value = bsc_eprocess_log(&judge->metrics[m].process) + log(bsc_metric_shares[m]);
        if (judge->metrics[m].slices >= bsc_judge_slices_needed(judge, m) && value > best) {
            best = value;
            most = m;
        }
    }
    prove(judge, BSC_PROOF_FAST, most);
}

double bsc_judge_steady_alpha(const struct bsc_judge *judge, enum bsc_metric_kind metric)
{
    return judge->options.alpha / 2 * (judge->slow_known ? bsc_metric_shares[metric] : 1);
}

static void look_steady(struct bsc_judge *judge)
{
    for (unsigned m = 0; m < BSC_METRIC_COUNT; m++) {
        const struct bsc_steady *steady = &judge->metrics[m].steady;
        if (steady->mean > bsc_steady_bound(steady, bsc_judge_steady_alpha(judge, m))) {
            prove(judge, BSC_PROOF_STEADY, m);
            return;
        }
    }
}

double bsc_judge_before_limit(const struct bsc_judge *judge)
{
    const struct bsc_baseline *before = &judge->baseline;
    return judge->options.before_errors *
           bsc_interval_of(before->errors, before->units, judge->options.alpha / 2).high;
}

/* The share of answers beyond p_q times the limit is above 1 - q: so is the candidate's p_q. */
static bool is_slower(const struct bsc_judge *judge, unsigned q)
{
    const struct bsc_metric *metric = &judge->metrics[BSC_METRIC_SLOW + q];
    return bsc_metric_lasting(metric, judge->units.candidate, judge->options.alpha / 4).low >
           1 - bsc_quantiles[q];
}

static void look_before(struct bsc_judge *judge)
{
    const struct bsc_metric *errors = &judge->metrics[BSC_METRIC_ERRORS];
    if (judge->units.candidate < judge->options.minimum_units)
        return;
    if (bsc_metric_lasting(errors, judge->units.candidate, judge->options.alpha / 2).low >
        bsc_judge_before_limit(judge)) {
        prove(judge, BSC_PROOF_BEFORE, BSC_METRIC_ERRORS);
        return;
    }
    for (unsigned q = 0; judge->slow_known && q < BSC_BEFORE_QUANTILES; q++)
        if (is_slower(judge, q))
            prove(judge, BSC_PROOF_BEFORE, BSC_METRIC_SLOW + q);
}

static void look_ceiling(struct bsc_judge *judge)
{
    double ceiling = judge->options.ceiling;
    if (ceiling > 0 && bsc_metric_lasting(&judge->metrics[BSC_METRIC_ERRORS],
                                          judge->units.candidate, judge->options.alpha)
                               .low > ceiling)
        prove(judge, BSC_PROOF_CEILING, BSC_METRIC_ERRORS);
}

static void see_quantiles(struct bsc_judge *judge, const struct bsc_sample *sample)
{
    for (unsigned q = 0; q < BSC_QUANTILES; q++) {
        if (sample->candidate.latency)
            judge->candidate_us[q] =
                bsc_histogram_quantile(sample->candidate.latency, bsc_quantiles[q]);
        if (sample->live.latency)
            judge->live_us[q] = bsc_histogram_quantile(sample->live.latency, bsc_quantiles[q]);
    }
}

/* Users whose groups had an error once drop out, those of the worse version first, so with affinity
 * nothing can be said for a version. */
static bool is_compared(const struct bsc_judge *judge)
{
    return judge->options.margin > 0 && bsc_judge_has_coin(judge) &&
           judge->drawing == BSC_DRAWN_BY_COIN;
}

bool bsc_judge_confident(const struct bsc_judge *judge)
{
    const struct bsc_metric *errors = &judge->metrics[BSC_METRIC_ERRORS];
    double alpha = judge->options.alpha, ceiling = judge->options.ceiling;
    if (!(judge->options.margin > 0))
        return false;
    if (ceiling > 0 &&
        bsc_interval_of(errors->total.candidate, judge->units.candidate, alpha).high < ceiling)
        return true;
    return is_compared(judge) && bsc_confidence_shown(&judge->confidence, judge->weight, alpha);
}

static void close_window(struct bsc_judge *judge, const struct bsc_sample *sample)
{
    bool coin = bsc_judge_has_coin(judge);
    if (is_compared(judge))
        bsc_confidence_close(&judge->confidence, judge->options.margin,
                             &judge->metrics[BSC_METRIC_ERRORS].window, &judge->window_units);
    for (unsigned m = 0; m < BSC_METRIC_COUNT; m++)
        bsc_metric_close(&judge->metrics[m], &judge->window_units, judge->options.tolerated,
                         coin && judge->drawing == BSC_DRAWN_BY_COIN);
    judge->window_units = (struct bsc_tally){ 0 };
    judge->window_ms = sample->at_ms;
    see_quantiles(judge, sample);
    if (judge->proof == BSC_PROOF_NONE)
        look_ceiling(judge);
    if (judge->proof == BSC_PROOF_NONE && coin)
        look_steady(judge);
    if (judge->proof == BSC_PROOF_NONE && !coin)
        look_before(judge);
}

static void take_errors(struct bsc_judge *judge, const struct bsc_sample *sample,
                        struct bsc_tally errors)
{
    struct bsc_metric *metric = &judge->metrics[BSC_METRIC_ERRORS];
    struct bsc_tally left = { thin(judge, sample, errors.candidate), errors.live };
    bsc_metric_count(metric, &errors);
    if (is_compared(judge))
        bsc_confidence_take(&judge->confidence, judge->weight, judge->options.margin, &errors,
                            sample->at_ms);
    if (!bsc_judge_has_coin(judge))
        return;
    if (judge->drawing == BSC_DRAWN_BY_USER) {
        bool any = new_buckets(judge, sample->candidate.bad_buckets) > 0;
        left.candidate = any && bsc_run_counts(&metric->run, sample->at_ms);
        left.live = new_buckets(judge, sample->live.bad_buckets);
    }
    bsc_metric_test(metric, judge->weight, judge->options.tolerated, &left);
}

static void take_slow(struct bsc_judge *judge, const struct bsc_sample *sample,
                      enum bsc_metric_kind kind, struct bsc_tally slow)
{
    struct bsc_metric *metric = &judge->metrics[kind];
    struct bsc_tally left = slow;
    bsc_metric_count(metric, &slow);
    if (!bsc_judge_has_coin(judge) || judge->drawing == BSC_DRAWN_BY_USER)
        return;
    left.candidate = slow.candidate && bsc_run_counts(&metric->run, sample->at_ms);
    bsc_metric_test(metric, judge->weight, judge->options.tolerated, &left);
}

static void take(struct bsc_judge *judge, const struct bsc_sample *sample,
                 const struct reading *now)
{
    struct bsc_tally units = minus(now->units, judge->last_units);
    add(&judge->units, units);
    add(&judge->window_units, units);
    take_errors(judge, sample,
                minus(now->events[BSC_METRIC_ERRORS], judge->last_events[BSC_METRIC_ERRORS]));
    for (unsigned m = BSC_METRIC_SLOW; m < BSC_METRIC_COUNT; m++)
        take_slow(judge, sample, m, minus(now->events[m], judge->last_events[m]));
}

static void remember(struct bsc_judge *judge, const struct bsc_sample *sample,
                     const struct reading *now)
{
    judge->last_ms = sample->at_ms;
    judge->last_units = now->units;
    judge->last_begun = (struct bsc_tally){ sample->candidate.begun, sample->live.begun };
    for (unsigned m = 0; m < BSC_METRIC_COUNT; m++)
        judge->last_events[m] = now->events[m];
    bsc_overdue_note(&judge->overdue, sample->at_ms, &judge->last_begun);
}

void bsc_judge_feed(struct bsc_judge *judge, const struct bsc_sample *sample)
{
    bool anew =
        !judge->begun || sample->generation != judge->generation || went_back(judge, sample);
    judge->instance_count = sample->instance_count;
    if (anew)
        begin(judge, sample);
    struct reading now = read_sample(judge, sample, anew);
    if (!anew)
        take(judge, sample, &now);
    remember(judge, sample, &now);
    if (anew)
        return;
    if (judge->proof == BSC_PROOF_NONE && bsc_judge_has_coin(judge))
        look_fast(judge);
    if (sample->at_ms - judge->window_ms >= BSC_WINDOW_MS)
        close_window(judge, sample);
}

bool bsc_judge_harm(const struct bsc_judge *judge)
{
    return judge->proof != BSC_PROOF_NONE;
}
