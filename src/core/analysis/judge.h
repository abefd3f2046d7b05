/* SPDX-License-Identifier: Apache-2.0
 * core/analysis/judge.h - is the candidate as good as the live version? The tests joined.
 *
 * Pure: fed with samples, asked for a ruling. While a coin divides the traffic, two sequential
 * tests run with half of alpha each: the e-process over thinned events (fast), and the confidence
 * sequence over windows of a second (steady). Each takes half of its part for errors, and the other
 * half for slow answers at the three quantiles: their E are averaged, and alpha is divided. With
 * affinity only the fast test is used, for errors, by user group. Where there is no coin (all the
 * traffic, or match rules), the candidate is compared with what was frozen before it had traffic.
 * A ceiling holds at all times. Harm, once found, stays.
 *
 * The whole state is this struct. It is not stored: after a crash of the controller the tests begin
 * anew with the stored baseline, so what was seen before is forgotten, and alpha holds for each
 * beginning.
 */
#ifndef BASCULE_CORE_ANALYSIS_JUDGE_H
#define BASCULE_CORE_ANALYSIS_JUDGE_H

#include <stddef.h>

#include "core/analysis/confidence.h"
#include "core/analysis/latency.h"
#include "core/analysis/overdue.h"
#include "core/analysis/sample.h"

enum { BSC_JUDGED_INSTANCES_MAX = 64 };

enum bsc_metric_kind {
    BSC_METRIC_ERRORS,
    BSC_METRIC_SLOW, /* and the next two: slower than the live version's p50, p90, p99 */
    BSC_METRIC_COUNT = BSC_METRIC_SLOW + BSC_QUANTILES
};

struct bsc_judge_options {
    double alpha;           /* of a false alarm, in all */
    double tolerated;       /* relative risk that is no harm: 1 */
    double slower;          /* an answer is slow beyond so many times the live quantile */
    double before_errors;   /* without a coin: errors, times those of before */
    double before_latency;  /* ... p50 and p90, times those of before */
    double ceiling;         /* errors, 0..1; 0: none */
    double margin;          /* relative risk that is to be excluded before the time; 0: none is */
    uint64_t minimum_units; /* of the candidate in a step, for a ruling of good */
    bool latency;
};

/* The defaults. */
struct bsc_judge_options bsc_judge_options_default(void);

enum bsc_finding { BSC_FINDING_INCONCLUSIVE, BSC_FINDING_GOOD, BSC_FINDING_HARM };
/* How harm was found. */
enum bsc_proof {
    BSC_PROOF_NONE,
    BSC_PROOF_FAST,
    BSC_PROOF_STEADY,
    BSC_PROOF_BEFORE, /* compared with what was before */
    BSC_PROOF_CEILING,
    BSC_PROOF_COUNT
};

struct bsc_judged_instance {
    uint32_t key;
    uint64_t errors; /* at the last sample */
    int64_t seen_ms;
    struct bsc_run run;
};

struct bsc_judge {
    struct bsc_judge_options options;
    struct bsc_baseline baseline;
    bool slow_known;               /* the baseline has quantiles, and they are watched */
    unsigned limit[BSC_QUANTILES]; /* of slow answers: the last bucket that is not */

    struct bsc_metric metrics[BSC_METRIC_COUNT];
    struct bsc_confidence confidence;     /* of the whole rollout */
    struct bsc_tally units, window_units; /* since the step began, since the window was opened */

    bool begun; /* a sample came, from which differences count */
    uint64_t generation;
    int64_t last_ms, window_ms, step_ms; /* the last sample; where window and step began */
    double weight;
    enum bsc_drawing drawing;
    unsigned instance_count; /* of the candidate, at the last sample */
    struct bsc_overdue overdue;
    struct bsc_tally last_units, last_begun, last_events[BSC_METRIC_COUNT];
    struct bsc_judged_instance instances[BSC_JUDGED_INSTANCES_MAX];
    uint64_t bad_buckets[BSC_BUCKET_WORDS]; /* user groups that were charged already */
    uint64_t candidate_us[BSC_QUANTILES], live_us[BSC_QUANTILES]; /* in this generation */

    double peak; /* the largest ln of the mean E so far */
    enum bsc_proof proof;
    enum bsc_metric_kind proved;
};

/* `baseline` may be NULL: nothing is known of before. */
void bsc_judge_init(struct bsc_judge *judge, const struct bsc_judge_options *options,
                    const struct bsc_baseline *baseline);
/* A new step is watched: units, rates and the time that they took count from now on. */
void bsc_judge_step(struct bsc_judge *judge);
void bsc_judge_feed(struct bsc_judge *judge, const struct bsc_sample *sample);
bool bsc_judge_harm(const struct bsc_judge *judge);
/* With a margin: it is shown that the candidate's risk is below it, or its rate of errors below the
 * ceiling. */
bool bsc_judge_confident(const struct bsc_judge *judge);

/* What there is to say, with its numbers. */
struct bsc_judgement {
    enum bsc_finding finding;
    enum bsc_proof proof;
    enum bsc_metric_kind proved; /* HARM: by what */
    bool coin;                   /* versions are compared at the same time */
    bool by_user;                /* ... by groups of users */
    bool by_rule;                /* match rules chose who is counted of the candidate */
    struct bsc_tally units, errors;
    struct bsc_interval candidate, live; /* rates of errors; without a coin live is as of before */
    struct bsc_tally slow;               /* HARM by slow answers: of those */
    double e, p;                         /* of all metrics together */
    unsigned slices, slices_needed;      /* with errors of the candidate, for the fast test */
    uint64_t windows;                    /* of the steady test ... */
    double difference, bound; /* ... of errors: its mean and how much is chance; INFINITY */
    uint64_t candidate_us[BSC_QUANTILES], live_us[BSC_QUANTILES]; /* 0: unknown */
    bool confident;                                               /* see bsc_judge_confident */
    double margin;                                                /* 0: it is not asked for */
    double limit;           /* HARM by CEILING or BEFORE: the rate that was passed */
    uint64_t slow_us;       /* HARM by slow answers: beyond this */
    uint64_t minimum_units; /* for GOOD */
    int64_t needed_ms;      /* until there are so many, at this rate; 0: there are; -1: unknown */
};

void bsc_judge_rule(const struct bsc_judge *judge, struct bsc_judgement *out);
/* One plain sentence. */
void bsc_judgement_text(const struct bsc_judgement *judgement, const char *candidate,
                        const char *live, char *out, size_t size);

const char *bsc_finding_name(enum bsc_finding finding);   /* "harm" */
const char *bsc_proof_name(enum bsc_proof proof);         /* "steady" */
const char *bsc_metric_name(enum bsc_metric_kind metric); /* "errors", "p99" */

#endif
