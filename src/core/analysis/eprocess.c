/* SPDX-License-Identifier: Apache-2.0
 * core/analysis/eprocess.c - see eprocess.h. */
#include "core/analysis/eprocess.h"

#include <math.h>

static const double weakest = 1.15, strongest = 50;

/* ln of alternative j: evenly spaced. */
static double log_rho(unsigned j)
{
    return log(weakest) + log(strongest / weakest) * j / (BSC_ALTERNATIVES - 1);
}

void bsc_eprocess_init(struct bsc_eprocess *process)
{
    *process = (struct bsc_eprocess){ .log_e = { 0 } };
}

/* `sign`: 1 against larger risks than `risk`, -1 against smaller ones. */
static void add(struct bsc_eprocess *process, double weight, double risk, int sign,
                uint64_t candidate, uint64_t live)
{
    if (weight <= 0 || weight >= 1 || candidate + live == 0)
        return;
    double events = (double)candidate + (double)live;
    double share = weight * risk / (weight * risk + 1 - weight);
    for (unsigned j = 0; j < BSC_ALTERNATIVES; j++) {
        double log_r = sign * log_rho(j);
        /* ln((w r0 + 1 - w) / (w r0 rho + 1 - w)), exact also for tiny weights */
        process->log_e[j] += (double)candidate * log_r - events * log1p(share * expm1(log_r));
    }
}

void bsc_eprocess_add(struct bsc_eprocess *process, double weight, double tolerated,
                      uint64_t candidate, uint64_t live)
{
    add(process, weight, tolerated, 1, candidate, live);
}

void bsc_eprocess_add_below(struct bsc_eprocess *process, double weight, double margin,
                            uint64_t candidate, uint64_t live)
{
    add(process, weight, margin, -1, candidate, live);
}

double bsc_log_mean(const double *values, const double *weights, unsigned count)
{
    double most = -INFINITY, sum = 0, total = 0;
    for (unsigned i = 0; i < count; i++) {
        total += weights[i];
        if (weights[i] > 0 && values[i] > most)
            most = values[i];
    }
    if (isinf(most)) /* no evidence of anything */
        return most;
    for (unsigned i = 0; i < count; i++)
        if (weights[i] > 0)
            sum += weights[i] * exp(values[i] - most);
    return most + log(sum / total);
}

double bsc_eprocess_log(const struct bsc_eprocess *process)
{
    double most = process->log_e[0], sum = 0;
    for (unsigned j = 1; j < BSC_ALTERNATIVES; j++)
        most = fmax(most, process->log_e[j]);
    for (unsigned j = 0; j < BSC_ALTERNATIVES; j++)
        sum += exp(process->log_e[j] - most);
    return most + log(sum / BSC_ALTERNATIVES);
}
