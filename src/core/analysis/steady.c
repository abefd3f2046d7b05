/* SPDX-License-Identifier: Apache-2.0
 * core/analysis/steady.c - see steady.h. */
#include "core/analysis/steady.h"

#include <math.h>

static const double rho2 = 0.02;

void bsc_steady_add(struct bsc_steady *steady, double difference)
{
    double before = difference - steady->mean;
    steady->windows++;
    steady->mean += before / (double)steady->windows;
    steady->squares += before * (difference - steady->mean);
}

double bsc_steady_bound(const struct bsc_steady *steady, double alpha)
{
    if (steady->windows < BSC_STEADY_WINDOWS)
        return INFINITY;
    double k = (double)steady->windows, spread = k * rho2 + 1;
    double variance = steady->squares / (k - 1);
    return sqrt(variance * 2 * spread / (k * k * rho2) * log1p(sqrt(spread) / (2 * alpha)));
}
