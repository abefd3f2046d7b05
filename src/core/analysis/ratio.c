/* SPDX-License-Identifier: Apache-2.0
 * core/analysis/ratio.c - see ratio.h. */
#include "core/analysis/ratio.h"

#include <math.h>

#include "core/analysis/eprocess.h"

/* Logarithms of ratios. Each alternative is the same multiple of the one before: evidence for a
 * lift grows with the square of its logarithm, so one that is 12 % off loses 1 % of it, whether the
 * lift is large or small. */
static const double weakest = 0.02, strongest = 2.77;
/* Terms that are so much smaller than the largest one change no digit of their sum. */
static const double nothing = -40;

double bsc_ratio_log_e(uint64_t candidate, uint64_t live, double weight, double ratio)
{
    enum { COUNT = 2 * BSC_ALTERNATIVES };
    double log_e[COUNT], most = -INFINITY, sum = 0;
    double x = (double)candidate, events = x + (double)live;
    double share = weight * ratio / (weight * ratio + 1 - weight);
    double size = weakest, step = pow(strongest / weakest, 1.0 / (BSC_ALTERNATIVES - 1));
    for (unsigned j = 0; j < COUNT; j++) {
        double log_r = j % 2 ? -size : size;
        log_e[j] = x * log_r - events * log1p(share * expm1(log_r));
        most = fmax(most, log_e[j]);
        size *= j % 2 ? step : 1;
    }
    for (unsigned j = 0; j < COUNT; j++)
        if (log_e[j] - most > nothing)
            sum += exp(log_e[j] - most);
    return most + log(sum / COUNT);
}

/* Where E reaches 1/alpha between what is inside and what is not, by its logarithm. */
static double border(uint64_t candidate, uint64_t live, double weight, double inside,
                     double outside, double most)
{
    for (unsigned i = 0; i < 60; i++) {
        double middle = inside + (outside - inside) / 2;
        if (bsc_ratio_log_e(candidate, live, weight, exp(middle)) < most)
            inside = middle;
        else
            outside = middle;
    }
    return exp(inside);
}

struct bsc_ratio bsc_ratio_of(uint64_t candidate, uint64_t live, double weight, double alpha)
{
    static const double farthest = 40; /* of the logarithm */
    double most = -log(alpha), odds = (1 - weight) / weight;
    if (!candidate && !live)
        return (struct bsc_ratio){ 0, 1, INFINITY };
    double middle = live ? odds * (double)candidate / (double)live : INFINITY;
    /* Of the ratio that fits best no other is likelier, so E is at most 1 there. */
    double inside = candidate && live ? log(middle) : candidate ? farthest : -farthest;
    return (struct bsc_ratio){
        .low = candidate ? border(candidate, live, weight, inside, -farthest, most) : 0,
        .middle = middle,
        .high = live ? border(candidate, live, weight, inside, farthest, most) : INFINITY,
    };
}

/* The divergence of one coin from the other. */
double bsc_ratio_growth(uint64_t candidate, uint64_t live, double weight)
{
    double x = (double)candidate, y = (double)live, events = x + y, growth = 0;
    if (x > 0)
        growth += x / events * log(x / events / weight);
    if (y > 0)
        growth += y / events * log(y / events / (1 - weight));
    return fmax(growth, 0);
}
