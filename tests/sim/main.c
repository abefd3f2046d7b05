/* SPDX-License-Identifier: Apache-2.0
 * sim/main.c - runs the simulation for many seeds, or one again and aloud.
 *
 * usage: sim [--seed N] [--runs M] [--verbose]
 *        sim --walk
 *        sim --script S [--crash-at K] [--crash-again J] [--durable MASK] [--verbose]
 *
 * Every seed is one run of some minutes of simulated time. The first that breaks an invariant is
 * printed; --seed replays it. --walk tells a few stories again and again, and crashes at every
 * commit of each, before and after that is durable, and again at every commit after that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "world.h"

static const char usage[] =
    "usage: sim [--seed N] [--runs M] [--verbose]\n"
    "       sim --walk\n"
    "       sim --script S [--crash-at K] [--crash-again J] [--durable MASK] [--verbose]\n";

struct totals {
    unsigned long long runs, crashes, commits, rollouts, requests;
};

static unsigned long long number(int argc, char **argv, int *at)
{
    char *end;
    if (*at + 1 >= argc) {
        fprintf(stderr, "sim: %s needs a number\n", argv[*at]);
        exit(2);
    }
    unsigned long long value = strtoull(argv[++*at], &end, 10);
    if (*end || end == argv[*at]) {
        fprintf(stderr, "sim: '%s' is not a number\n", argv[*at]);
        exit(2);
    }
    return value;
}

static unsigned mask(const struct sim_fate *fate)
{
    return (unsigned)fate->durable[0] | (unsigned)fate->durable[1] << 1;
}

/* One run; returns how many commits it took, 0 when it broke something, which is told. */
static unsigned run(unsigned long long seed, bool verbose, const struct sim_fate *fate,
                    struct totals *totals)
{
    static struct sim end;
    if (!sim_run(seed, verbose, fate, &end)) {
        printf("seed %llu at %lld ms: %s\nreplay: sim --seed %llu", seed, (long long)end.now_ms,
               end.failure, seed);
        if (fate->script)
            printf(" --script %u --crash-at %llu --crash-again %llu --durable %u", fate->script,
                   (unsigned long long)fate->crash_at[0], (unsigned long long)fate->crash_at[1],
                   mask(fate));
        printf(" --verbose\n");
        return 0;
    }
    totals->runs++;
    totals->crashes += end.crashes;
    totals->commits += end.commits;
    totals->rollouts += end.rollouts;
    totals->requests += end.requests;
    return end.commits;
}

/* A second crash at each commit that follows the first one's. */
static bool walk_again(unsigned script, unsigned first, bool durable, unsigned commits,
                       struct totals *totals)
{
    for (unsigned second = first + 1; second <= commits; second++)
        for (unsigned again = 0; again < 2; again++) {
            struct sim_fate fate = { script, { first, second }, { durable, again } };
            if (!run(1, false, &fate, totals))
                return false;
        }
    return true;
}

static bool walk(struct totals *totals)
{
    for (unsigned script = 1; script <= sim_script_count(); script++) {
        unsigned commits = run(1, false, &(struct sim_fate){ .script = script }, totals);
        for (unsigned first = 1; commits && first <= commits; first++)
            for (unsigned durable = 0; durable < 2; durable++) {
                struct sim_fate fate = { script, { first }, { durable } };
                unsigned total = run(1, false, &fate, totals);
                if (!total || !walk_again(script, first, durable, total, totals))
                    return false;
            }
        if (!commits)
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    unsigned long long seed = 1, runs = 1;
    struct sim_fate fate = { 0 };
    struct totals totals = { 0 };
    bool verbose = false, walks = false;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--seed")) {
            seed = number(argc, argv, &i);
        } else if (!strcmp(argv[i], "--runs")) {
            runs = number(argc, argv, &i);
        } else if (!strcmp(argv[i], "--script")) {
            fate.script = (unsigned)number(argc, argv, &i);
        } else if (!strcmp(argv[i], "--crash-at")) {
            fate.crash_at[0] = number(argc, argv, &i);
        } else if (!strcmp(argv[i], "--crash-again")) {
            fate.crash_at[1] = number(argc, argv, &i);
        } else if (!strcmp(argv[i], "--durable")) {
            unsigned long long bits = number(argc, argv, &i);
            fate.durable[0] = bits & 1;
            fate.durable[1] = bits & 2;
        } else if (!strcmp(argv[i], "--verbose")) {
            verbose = true;
        } else if (!strcmp(argv[i], "--walk")) {
            walks = true;
        } else {
            fputs(usage, stderr);
            return 2;
        }
    }
    if (fate.script > sim_script_count()) {
        fprintf(stderr, "sim: there are %u stories\n", sim_script_count());
        return 2;
    }
    bsc_log_init("sim", verbose ? BSC_LOG_INFO : BSC_LOG_ERROR);
    if (walks && !walk(&totals))
        return 1;
    for (unsigned long long i = 0; !walks && i < runs; i++)
        if (!run(seed + i, verbose, &fate, &totals))
            return 1;
    printf("%llu runs: %llu rollouts, %llu commits, %llu crashes, %llu requests, all invariants "
           "held\n",
           totals.runs, totals.rollouts, totals.commits, totals.crashes, totals.requests);
    return 0;
}
