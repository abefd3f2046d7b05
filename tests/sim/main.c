/* SPDX-License-Identifier: Apache-2.0
 * sim/main.c - runs the simulation for many seeds, or one again and aloud.
 *
 * usage: sim [--seed N] [--runs M] [--crash-at K] [--verbose]
 * Every seed is one run of some minutes of simulated time. The first that breaks an invariant is
 * printed; --seed replays it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

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

int main(int argc, char **argv)
{
    unsigned long long seed = 1, runs = 1, crash_at = 0;
    unsigned long long crashes = 0, commits = 0, rollouts = 0, requests = 0;
    bool verbose = false;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--seed"))
            seed = number(argc, argv, &i);
        else if (!strcmp(argv[i], "--runs"))
            runs = number(argc, argv, &i);
        else if (!strcmp(argv[i], "--crash-at"))
            crash_at = number(argc, argv, &i);
        else if (!strcmp(argv[i], "--verbose"))
            verbose = true;
        else {
            fprintf(stderr, "usage: sim [--seed N] [--runs M] [--crash-at K] [--verbose]\n");
            return 2;
        }
    }
    static struct sim end;
    for (unsigned long long i = 0; i < runs; i++) {
        if (!sim_run(seed + i, verbose, crash_at, &end)) {
            printf("seed %llu at %lld ms: %s\nreplay: sim --seed %llu --verbose%s\n", seed + i,
                   (long long)end.now_ms, end.failure, seed + i, crash_at ? " --crash-at ..." : "");
            return 1;
        }
        crashes += end.crashes;
        commits += end.commits;
        rollouts += end.rollouts;
        requests += end.requests;
    }
    printf("%llu runs: %llu rollouts, %llu commits, %llu crashes, %llu requests, all invariants "
           "held\n",
           runs, rollouts, commits, crashes, requests);
    return 0;
}
