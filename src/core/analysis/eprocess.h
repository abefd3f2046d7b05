/* SPDX-License-Identifier: Apache-2.0
 * core/analysis/eprocess.h - is the candidate worse? A test that may be looked at all the time.
 *
 * Events (errors, slow answers) of both versions come in, and for each the probability `weight`
 * with which the routing coin had sent that request to the candidate. Under "the candidate's risk
 * is at most `tolerated` times that of the live version" E is a nonnegative supermartingale that
 * begins at 1: the probability that it ever reaches 1/alpha is at most alpha, whatever the rates do
 * and however often one looks (Ville). It is the mean of 24 likelihood ratios, against relative
 * risks from 1.15 to 50 times the tolerated one (after Lindon and Malek, NeurIPS 2022,
 * arXiv:2011.03567).
 *
 * It holds for events that are independent of each other; errors of one instance come in runs, so
 * they are thinned first (runs.h).
 */
#ifndef BASCULE_CORE_ANALYSIS_EPROCESS_H
#define BASCULE_CORE_ANALYSIS_EPROCESS_H

#include <stdint.h>

enum { BSC_ALTERNATIVES = 24 };

struct bsc_eprocess {
    double log_e[BSC_ALTERNATIVES]; /* ln of each likelihood ratio */
};

void bsc_eprocess_init(struct bsc_eprocess *process);
/* Adds events of either version, drawn with the same `weight` (0..1). Weights of 0 and 1 say
 * nothing: there was no coin. */
void bsc_eprocess_add(struct bsc_eprocess *process, double weight, double tolerated,
                      uint64_t candidate, uint64_t live);
/* The same turned round, for a process of its own: E is a supermartingale under "the candidate's
 * risk is at least `margin` times that of the live version", against relative risks from 1/1.15 to
 * 1/50 of that. */
void bsc_eprocess_add_below(struct bsc_eprocess *process, double weight, double margin,
                            uint64_t candidate, uint64_t live);
/* ln E now: 0 at the start, never NaN. */
double bsc_eprocess_log(const struct bsc_eprocess *process);
/* ln of the mean of exp(values[i]) with these weights, which are not all 0; -INFINITY is ln 0. A
 * mean of several E is an E again, so several tests may share one alpha. */
double bsc_log_mean(const double *values, const double *weights, unsigned count);

#endif
