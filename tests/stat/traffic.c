/* SPDX-License-Identifier: Apache-2.0
 * traffic.c - see traffic.h. */
#include "traffic.h"

#include <math.h>
#include <string.h>

static struct bsc_slot_sample *slot_of(struct traffic *traffic, unsigned version)
{
    return version == CANDIDATE ? &traffic->sample.candidate : &traffic->sample.live;
}

static unsigned instances_of(const struct load *load)
{
    return load->instances ? load->instances : 2;
}

static double weight_of(const struct traffic *traffic)
{
    return traffic->sample.weight_bp / 10000.0;
}

static double interval_s(void)
{
    return BSC_SAMPLE_MS / 1000.0;
}

static void next_pause(struct traffic *traffic, unsigned version, unsigned instance)
{
    double mean_ms = traffic->load->every_s * 1000.0;
    double wait_ms = -mean_ms * log(1 - random_unit(&traffic->random));
    traffic->pause_from_ms[version][instance] = traffic->now_ms + (int64_t)wait_ms;
}

/* The part of the last interval during which the instance paused. */
static double paused(struct traffic *traffic, unsigned version, unsigned instance)
{
    if (!traffic->load->pause_ms)
        return 0;
    int64_t from = traffic->pause_from_ms[version][instance];
    int64_t until = from + traffic->load->pause_ms, began = traffic->now_ms - BSC_SAMPLE_MS;
    int64_t first = from > began ? from : began;
    int64_t last = until < traffic->now_ms ? until : traffic->now_ms;
    if (until <= traffic->now_ms)
        next_pause(traffic, version, instance);
    return last > first ? (double)(last - first) / BSC_SAMPLE_MS : 0;
}

static double error_share(const struct traffic *traffic, unsigned version)
{
    const struct load *load = traffic->load;
    double share = version == CANDIDATE ? load->candidate : load->live;
    if (load->pattern != DRIFTING)
        return share;
    double seconds = (double)traffic->now_ms / 1000;
    if (fmod(seconds, 45) < 2)
        return 0.5; /* a database that both use is away */
    return share * (1 + sin(seconds / 7));
}

static void answer(struct traffic *traffic, unsigned version, uint64_t count, bool late)
{
    const struct load *load = traffic->load;
    if (load->slow <= 0)
        return;
    for (uint64_t i = 0; i < count; i++) {
        double us = 20000 * exp(0.5 * random_normal(&traffic->random));
        if (version == CANDIDATE && load->tail > 0 && random_unit(&traffic->random) < 0.02)
            us *= load->tail;
        if (version == CANDIDATE)
            us *= load->slow;
        if (late)
            us += 1000.0 * load->pause_ms;
        traffic->latency[version][bsc_histogram_bucket((uint64_t)us)]++;
    }
}

static void charge(struct traffic *traffic, unsigned version, unsigned instance, uint64_t good,
                   uint64_t errors)
{
    struct bsc_slot_sample *slot = slot_of(traffic, version);
    slot->units += good + errors;
    slot->errors += errors;
    slot->begun = slot->answered = slot->units;
    if (version == CANDIDATE)
        traffic->instances[instance].errors += errors;
}

static void go_independently(struct traffic *traffic)
{
    const struct load *load = traffic->load;
    for (unsigned version = 0; version < 2; version++) {
        double share = version == CANDIDATE ? weight_of(traffic) : 1 - weight_of(traffic);
        double mean = load->rate * share * interval_s() / instances_of(load);
        double bad = error_share(traffic, version);
        for (unsigned i = 0; i < instances_of(load); i++) {
            double part = paused(traffic, version, i);
            double failing = load->pause_is_slow ? 0 : part;
            uint64_t late = load->pause_is_slow ? random_poisson(&traffic->random, mean * part) : 0;
            uint64_t good = random_poisson(&traffic->random, mean * (1 - part) * (1 - bad));
            charge(traffic, version, i, good + late,
                   random_poisson(&traffic->random, mean * ((1 - part) * bad + failing)));
            answer(traffic, version, good, false);
            answer(traffic, version, late, true);
        }
    }
}

static void go_in_cycles(struct traffic *traffic)
{
    const struct load *load = traffic->load;
    uint64_t count = (uint64_t)(load->rate * interval_s());
    for (uint64_t i = 0; i < count; i++) {
        unsigned version = random_unit(&traffic->random) < weight_of(traffic) ? CANDIDATE : LIVE;
        bool error = ++traffic->number % (uint64_t)(1 / load->live) == 0;
        charge(traffic, version, (unsigned)(traffic->number % instances_of(load)), !error, error);
    }
}

static void go_by_user(struct traffic *traffic)
{
    const struct load *load = traffic->load;
    uint64_t count = random_poisson(&traffic->random, load->rate * interval_s());
    for (uint64_t i = 0; i < count; i++) {
        unsigned user = (unsigned)(random_bits(&traffic->random) % USERS);
        unsigned bucket = traffic->buckets[user];
        unsigned version = bucket < traffic->sample.weight_bp ? CANDIDATE : LIVE;
        double share = version == CANDIDATE ? load->candidate : load->live;
        if (traffic->troubled[user])
            share = 0.3;
        bool error = random_unit(&traffic->random) < share;
        charge(traffic, version, bucket % instances_of(load), !error, error);
        if (error)
            traffic->bad[version][bucket / 64] |= (uint64_t)1 << bucket % 64;
    }
}

/* A new split generation: its counters begin at zero. */
static void new_step(struct traffic *traffic)
{
    unsigned next = traffic->step + 1;
    if (!traffic->load->weights_bp[next] || next == 7)
        next = 0; /* and so on, forever */
    traffic->step = next;
    traffic->switched_ms = traffic->now_ms;
    traffic->sample.generation++;
    traffic->sample.weight_bp = traffic->load->weights_bp[next];
    memset(traffic->latency, 0, sizeof traffic->latency);
    memset(traffic->bad, 0, sizeof traffic->bad);
    for (unsigned version = 0; version < 2; version++)
        *slot_of(traffic, version) =
            (struct bsc_slot_sample){ .latency = slot_of(traffic, version)->latency,
                                      .bad_buckets = slot_of(traffic, version)->bad_buckets };
}

void traffic_begin(struct traffic *traffic, const struct load *load, uint64_t seed)
{
    *traffic = (struct traffic){ .load = load, .now_ms = 1000000, .switched_ms = 1000000 };
    random_seed(&traffic->random, seed);
    for (unsigned version = 0; version < 2; version++)
        for (unsigned i = 0; i < instances_of(load); i++)
            next_pause(traffic, version, i);
    for (unsigned i = 0; i < instances_of(load); i++)
        traffic->instances[i].key = i + 1;
    for (unsigned i = 0; i < USERS; i++) {
        traffic->buckets[i] = (uint16_t)(random_bits(&traffic->random) % BSC_BUCKETS);
        traffic->troubled[i] = random_unit(&traffic->random) < 0.02;
    }
    traffic->sample = (struct bsc_sample){
        .at_ms = traffic->now_ms,
        .generation = 1,
        .weight_bp = load->weights_bp[0],
        .drawing = load->pattern == STICKY ? BSC_DRAWN_BY_USER : BSC_DRAWN_BY_COIN,
        .instances = traffic->instances,
        .instance_count = instances_of(load),
        .candidate = { .bad_buckets = traffic->bad[CANDIDATE] },
        .live = { .bad_buckets = traffic->bad[LIVE] },
    };
    if (load->slow > 0) {
        traffic->sample.candidate.latency = traffic->latency[CANDIDATE];
        traffic->sample.live.latency = traffic->latency[LIVE];
    }
}

void traffic_go_on(struct traffic *traffic)
{
    const struct load *load = traffic->load;
    if (load->weight_seconds &&
        traffic->now_ms - traffic->switched_ms >= (int64_t)load->weight_seconds * 1000)
        new_step(traffic);
    traffic->now_ms += BSC_SAMPLE_MS;
    traffic->sample.at_ms = traffic->now_ms;
    if (load->pattern == CYCLIC)
        go_in_cycles(traffic);
    else if (load->pattern == STICKY)
        go_by_user(traffic);
    else
        go_independently(traffic);
}

void traffic_baseline(struct traffic *traffic, struct bsc_baseline *baseline)
{
    uint64_t latency[BSC_HISTOGRAM_BUCKETS] = { 0 };
    const struct load *load = traffic->load;
    uint64_t units = 20000;
    for (uint64_t i = 0; load->slow > 0 && i < units; i++)
        latency[bsc_histogram_bucket(
            (uint64_t)(20000 * exp(0.5 * random_normal(&traffic->random))))]++;
    bsc_baseline_freeze(baseline, units, random_poisson(&traffic->random, load->live * 20000),
                        latency);
}
