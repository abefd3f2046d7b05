/* SPDX-License-Identifier: Apache-2.0
 * traffic.h - a service under load in two versions, as the proxies would have counted it.
 *
 * Time goes in steps of BSC_SAMPLE_MS; after each the counters are a sample for the judge.
 */
#ifndef BASCULE_STAT_TRAFFIC_H
#define BASCULE_STAT_TRAFFIC_H

#include <stdbool.h>

#include "core/analysis/judge.h"
#include "random.h"

enum { INSTANCES_MAX = 20, USERS = 4000 };

enum pattern {
    INDEPENDENT,
    DRIFTING, /* the rate of errors swings between 0 and twice its value, and both have outages */
    CYCLIC,   /* every so manieth request of the service is an error, whoever answers it */
    STICKY    /* users that stay with their version; some have nearly all the errors */
};

struct load {
    double rate;                /* requests a second, of the service */
    double live, candidate;     /* shares of errors */
    unsigned weights_bp[8];     /* the candidate's, until a 0; all alike long */
    unsigned weight_seconds;    /* 0: the first one stays */
    unsigned instances;         /* of each version; 0: 2 */
    unsigned pause_ms, every_s; /* an instance fails all its requests for so long */
    bool pause_is_slow;         /* ... or answers them late */
    enum pattern pattern;
    double slow; /* 0: latencies are not drawn; else the candidate's factor */
    double tail; /* ... and that of its slowest 2 %; 0: as the others */
};

struct traffic {
    const struct load *load;
    struct random random;
    int64_t now_ms, switched_ms;
    uint64_t number; /* of the request: CYCLIC */
    unsigned step;
    int64_t pause_from_ms[2][INSTANCES_MAX]; /* the next one, or that which lasts */
    struct bsc_sample sample;
    struct bsc_instance_sample instances[INSTANCES_MAX];
    uint64_t latency[2][BSC_HISTOGRAM_BUCKETS], bad[2][BSC_BUCKET_WORDS];
    uint16_t buckets[USERS];
    bool troubled[USERS];
};

enum { CANDIDATE, LIVE };

void traffic_begin(struct traffic *traffic, const struct load *load, uint64_t seed);
/* Time passes: the sample is the next one. */
void traffic_go_on(struct traffic *traffic);
/* What the live version was like before. */
void traffic_baseline(struct traffic *traffic, struct bsc_baseline *baseline);

#endif
