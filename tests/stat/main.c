/* SPDX-License-Identifier: Apache-2.0
 * main.c - what the judge promises, measured: false alarms and times to an alarm over many
 * rollouts.
 *
 * usage: statistics [--full] [--seed N] [--only TEXT]
 *   --full   1,000 rollouts of five minutes of each kind without harm, 300 of each kind with harm
 *   --only   the kinds whose name holds TEXT
 *
 * The very code of production is fed with counters as the proxies would count them. A line a kind;
 * exit status 1 when one is not as it must be.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "traffic.h"

/* No harm: how often is an alarm raised? */
struct quiet_kind {
    const char *name;
    struct load load;
    double allowed; /* share of false alarms; beyond: by chance in less than 1 of 700 cases */
};

static const struct quiet_kind quiet_kinds[] = {
    { "1 %, no bursts, w = 5 %", { .rate = 1000, .live = .01, .weights_bp = { 500 } }, .01 },
    { "1 %, no bursts, w = 50 %", { .rate = 1000, .live = .01, .weights_bp = { 5000 } }, .01 },
    { "10 %, 20 requests/s, w = 10 %", { .rate = 20, .live = .1, .weights_bp = { 1000 } }, .01 },
    { "pauses of 60 ms every 20 s",
      { .rate = 1000, .live = .01, .weights_bp = { 500 }, .pause_ms = 60, .every_s = 20 },
      .012 },
    { "pauses of 200 ms every 30 s, w = 10 %",
      { .rate = 1000, .live = .01, .weights_bp = { 1000 }, .pause_ms = 200, .every_s = 30 },
      .01 },
    { "pauses of 200 ms every 30 s, w = 50 %",
      { .rate = 1000, .live = .01, .weights_bp = { 5000 }, .pause_ms = 200, .every_s = 30 },
      .01 },
    { "pauses of 400 ms every 30 s, longer than a slice",
      { .rate = 1000, .live = .01, .weights_bp = { 1000 }, .pause_ms = 400, .every_s = 30 },
      .06 },
    { "one instance, pauses of 200 ms",
      { .rate = 1000,
        .live = .01,
        .weights_bp = { 1000 },
        .instances = 1,
        .pause_ms = 200,
        .every_s = 30 },
      .01 },
    { "twenty instances, pauses of 60 ms",
      { .rate = 1000,
        .live = .01,
        .weights_bp = { 1000 },
        .instances = 20,
        .pause_ms = 60,
        .every_s = 20 },
      .012 },
    { "drifting rates and outages of both",
      { .rate = 1000, .live = .01, .weights_bp = { 1000 }, .pattern = DRIFTING },
      .01 },
    { "a new weight every 10 s, drifting rates",
      { .rate = 1000,
        .live = .01,
        .weights_bp = { 100, 500, 1000, 2500, 5000, 9000 },
        .weight_seconds = 10,
        .pattern = DRIFTING },
      .01 },
    { "cyclic clients",
      { .rate = 1000, .live = .01, .weights_bp = { 500 }, .pattern = CYCLIC },
      .01 },
    { "affinity, users with trouble of their own",
      { .rate = 200, .live = .001, .weights_bp = { 1000 }, .pattern = STICKY },
      .01 },
    { "affinity, a new weight every 20 s",
      { .rate = 200,
        .live = .001,
        .weights_bp = { 500, 1000, 2500, 5000 },
        .weight_seconds = 20,
        .pattern = STICKY },
      .01 },
    { "latency, w = 10 %", { .rate = 200, .live = .01, .weights_bp = { 1000 }, .slow = 1 }, .01 },
    { "latency, pauses of 200 ms every 30 s",
      { .rate = 200,
        .live = .01,
        .weights_bp = { 2500 },
        .slow = 1,
        .pause_ms = 200,
        .every_s = 30,
        .pause_is_slow = true },
      .01 },
};

/* Harm: after what time does each test see it? Seconds, means; 0: is not looked at. */
struct harm_kind {
    const char *name;
    struct load load;
    double fast_s, steady_s; /* each test alone with alpha = 1 %, for errors */
    double errors;           /* of the candidate until the fast test */
    double judge_s;          /* at most, all of them together as they are used */
};

static const struct harm_kind harm_kinds[] = {
    { "1 % -> 50 %, w = 5 %",
      { .rate = 1000, .live = .01, .candidate = .5, .weights_bp = { 500 } },
      1.0,
      0,
      25,
      2 },
    { "1 % -> 5 %, w = 5 %",
      { .rate = 1000, .live = .01, .candidate = .05, .weights_bp = { 500 } },
      5.5,
      30,
      0,
      12 },
    { "1 % -> 2 %, w = 5 %",
      { .rate = 1000, .live = .01, .candidate = .02, .weights_bp = { 500 } },
      0,
      69,
      0,
      0 },
    { "1 % -> 2 %, w = 25 %",
      { .rate = 1000, .live = .01, .candidate = .02, .weights_bp = { 2500 } },
      0,
      31,
      0,
      0 },
    { "0.1 % -> 1 %, w = 5 %",
      { .rate = 1000, .live = .001, .candidate = .01, .weights_bp = { 500 } },
      15,
      0,
      0,
      0 },
    { "1 % -> 1.2 %, w = 25 %, 10,000/s",
      { .rate = 10000, .live = .01, .candidate = .012, .weights_bp = { 2500 } },
      0,
      38,
      0,
      0 },
    { "affinity, 0.1 % -> 20 %, w = 10 %, 200/s",
      { .rate = 200, .live = .001, .candidate = .2, .weights_bp = { 1000 }, .pattern = STICKY },
      0,
      0,
      0,
      30 },
    { "latency, twice as slow, w = 10 %, 200/s",
      { .rate = 200, .live = .01, .candidate = .01, .weights_bp = { 1000 }, .slow = 2 },
      0,
      0,
      0,
      30 },
    { "latency, a p99 of five times, w = 10 %, 200/s",
      { .rate = 200, .live = .01, .candidate = .01, .weights_bp = { 1000 }, .slow = 1, .tail = 5 },
      0,
      0,
      0,
      60 },
};

/* Confidence: a version just at the margin, or above it, must not be promoted; one that is as good
 * as the live one, or better, after what time? */
struct confident_kind {
    const char *name;
    struct load load;
    double shown_s; /* at most, the mean; 0: it must not be shown in more than alpha of the cases */
};

static const struct confident_kind confident_kinds[] = {
    { "confident: 1 % -> 1.25 %, w = 5 %",
      { .rate = 1000, .live = .01, .candidate = .0125, .weights_bp = { 500 } },
      0 },
    { "confident: 1 % -> 1.25 %, w = 50 %",
      { .rate = 1000, .live = .01, .candidate = .0125, .weights_bp = { 5000 } },
      0 },
    { "confident: 0.1 % -> 0.15 %, w = 10 %",
      { .rate = 1000, .live = .001, .candidate = .0015, .weights_bp = { 1000 } },
      0 },
    { "confident: 10 % -> 12.5 %, w = 25 %, 100/s",
      { .rate = 100, .live = .1, .candidate = .125, .weights_bp = { 2500 } },
      0 },
    { "confident: 1 % -> 1.25 %, pauses of 200 ms every 30 s",
      { .rate = 1000,
        .live = .01,
        .candidate = .0125,
        .weights_bp = { 2500 },
        .pause_ms = 200,
        .every_s = 30 },
      0 },
    { "confident: 1 % -> 1.5 %, drifting rates",
      { .rate = 1000, .live = .01, .candidate = .015, .weights_bp = { 2500 }, .pattern = DRIFTING },
      0 },
    { "confident: 1 % -> 0.5 %, w = 25 %",
      { .rate = 1000, .live = .01, .candidate = .005, .weights_bp = { 2500 } },
      120 },
    { "confident: 5 % -> 5 %, w = 50 %",
      { .rate = 1000, .live = .05, .candidate = .05, .weights_bp = { 5000 } },
      120 },
};

static const double alpha = 0.01;

static void judge_begin(struct bsc_judge *judge, struct traffic *traffic)
{
    struct bsc_judge_options options = bsc_judge_options_default();
    struct bsc_baseline baseline;
    traffic_baseline(traffic, &baseline);
    bsc_judge_init(judge, &options, &baseline);
    bsc_judge_feed(judge, &traffic->sample);
}

/* The proofs of `rollouts` rollouts without harm. */
static bool quiet(const struct quiet_kind *kind, unsigned rollouts, unsigned seconds, uint64_t seed)
{
    static struct traffic traffic;
    static struct bsc_judge judge;
    unsigned by[BSC_PROOF_COUNT] = { 0 };
    struct load load = kind->load;
    load.candidate = load.live;
    for (unsigned r = 0; r < rollouts; r++) {
        traffic_begin(&traffic, &load, seed + r);
        judge_begin(&judge, &traffic);
        for (unsigned i = 0; i < seconds * 1000 / BSC_SAMPLE_MS && !bsc_judge_harm(&judge); i++) {
            traffic_go_on(&traffic);
            bsc_judge_feed(&judge, &traffic.sample);
        }
        by[judge.proof]++;
    }
    unsigned alarms = rollouts - by[BSC_PROOF_NONE];
    double mean = kind->allowed * rollouts;
    double most = mean + 3 * sqrt(mean * (1 - kind->allowed));
    bool well = alarms <= most;
    printf("%s  %-52s %4u of %u alarms (fast %u, steady %u), at most %.0f\n", well ? "ok " : "BAD",
           kind->name, alarms, rollouts, by[BSC_PROOF_FAST], by[BSC_PROOF_STEADY], floor(most));
    return well;
}

struct times {
    double fast_s, steady_s, judge_s, errors; /* 0: not yet */
};

static void look(const struct bsc_judge *judge, const struct traffic *traffic, double now_s,
                 struct times *times)
{
    const struct bsc_metric *errors = &judge->metrics[BSC_METRIC_ERRORS];
    if (times->fast_s <= 0 && bsc_eprocess_log(&errors->process) >= log(1 / alpha) &&
        errors->slices >= bsc_runs_needed(alpha, judge->weight, judge->instance_count)) {
        times->fast_s = now_s;
        times->errors = (double)traffic->sample.candidate.errors;
    }
    if (times->steady_s <= 0 && errors->steady.mean > bsc_steady_bound(&errors->steady, alpha))
        times->steady_s = now_s;
    if (times->judge_s <= 0 && bsc_judge_harm(judge))
        times->judge_s = now_s;
}

static bool near(const char *what, double found, double wanted)
{
    bool well = wanted <= 0 || fabs(found - wanted) <= 0.25 * wanted;
    if (wanted > 0)
        printf("%s %.2f (%.3g)%s ", what, found, wanted, well ? "" : " BAD");
    return well;
}

static bool harm(const struct harm_kind *kind, unsigned rollouts, uint64_t seed)
{
    static struct traffic traffic;
    static struct bsc_judge judge;
    struct times sum = { 0 };
    const double limit_s = 600;
    for (unsigned r = 0; r < rollouts; r++) {
        struct times times = { 0 };
        double now_s = 0;
        traffic_begin(&traffic, &kind->load, seed + r);
        judge_begin(&judge, &traffic);
        while (now_s < limit_s && ((kind->fast_s > 0 && times.fast_s <= 0) ||
                                   (kind->steady_s > 0 && times.steady_s <= 0) ||
                                   (kind->judge_s > 0 && times.judge_s <= 0))) {
            traffic_go_on(&traffic);
            bsc_judge_feed(&judge, &traffic.sample);
            now_s += BSC_SAMPLE_MS / 1000.0;
            look(&judge, &traffic, now_s, &times);
        }
        sum.fast_s += times.fast_s > 0 ? times.fast_s : now_s;
        sum.steady_s += times.steady_s > 0 ? times.steady_s : now_s;
        sum.judge_s += times.judge_s > 0 ? times.judge_s : now_s;
        sum.errors += times.errors;
    }
    printf("    %-52s ", kind->name);
    bool well = near("fast", sum.fast_s / rollouts, kind->fast_s);
    well = near("steady", sum.steady_s / rollouts, kind->steady_s) && well;
    well = near("errors", sum.errors / rollouts, kind->errors) && well;
    if (kind->judge_s > 0) {
        bool soon = sum.judge_s / rollouts <= kind->judge_s;
        printf("judge %.2f (at most %.3g)%s", sum.judge_s / rollouts, kind->judge_s,
               soon ? "" : " BAD");
        well = well && soon;
    }
    printf("\n");
    return well;
}

static bool confident(const struct confident_kind *kind, unsigned rollouts, double limit_s,
                      uint64_t seed)
{
    static struct traffic traffic;
    static struct bsc_judge judge;
    unsigned shown = 0;
    double sum_s = 0;
    for (unsigned r = 0; r < rollouts; r++) {
        double now_s = 0;
        traffic_begin(&traffic, &kind->load, seed + r);
        judge_begin(&judge, &traffic);
        judge.options.margin = 1.25;
        while (now_s < limit_s && !bsc_judge_confident(&judge)) {
            traffic_go_on(&traffic);
            bsc_judge_feed(&judge, &traffic.sample);
            now_s += BSC_SAMPLE_MS / 1000.0;
        }
        shown += bsc_judge_confident(&judge);
        sum_s += now_s;
    }
    double mean = alpha * rollouts, most = mean + 3 * sqrt(mean * (1 - alpha));
    bool well = kind->shown_s > 0 ? sum_s / rollouts <= kind->shown_s : shown <= most;
    printf("%s  %-58s shown in %u of %u, after %.1f s\n", well ? "ok " : "BAD", kind->name, shown,
           rollouts, sum_s / rollouts);
    return well;
}

int main(int argc, char **argv)
{
    unsigned rollouts = 150, seconds = 60, harmed = 100;
    uint64_t seed = 1;
    const char *only = "";
    bool well = true;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--full")) {
            rollouts = 1000;
            seconds = 300;
            harmed = 300;
        } else if (!strcmp(argv[i], "--seed") && i + 1 < argc) {
            seed = strtoull(argv[++i], NULL, 10);
        } else if (!strcmp(argv[i], "--only") && i + 1 < argc) {
            only = argv[++i];
        } else {
            fprintf(stderr, "usage: %s [--full] [--seed N] [--only TEXT]\n", argv[0]);
            return 2;
        }
    }
    printf("without harm: %u rollouts of %u s each\n", rollouts, seconds);
    for (unsigned i = 0; i < sizeof quiet_kinds / sizeof *quiet_kinds; i++)
        if (strstr(quiet_kinds[i].name, only))
            well = quiet(&quiet_kinds[i], rollouts, seconds, seed + 1000000 * i) && well;
    printf("with harm: means of %u rollouts, seconds\n", harmed);
    for (unsigned i = 0; i < sizeof harm_kinds / sizeof *harm_kinds; i++)
        if (strstr(harm_kinds[i].name, only))
            well = harm(&harm_kinds[i], harmed, seed + 1000000 * i) && well;
    printf("until confident, margin 1.25: %u rollouts\n", harmed);
    for (unsigned i = 0; i < sizeof confident_kinds / sizeof *confident_kinds; i++) {
        const struct confident_kind *kind = &confident_kinds[i];
        bool worse = kind->shown_s <= 0;
        if (strstr(kind->name, only))
            well = confident(kind, worse ? rollouts : harmed, worse ? seconds : 600,
                             seed + 1000000 * i) &&
                   well;
    }
    return well ? 0 : 1;
}
