/* SPDX-License-Identifier: Apache-2.0
 * core/analysis/interval.c - see interval.h. */
#include "core/analysis/interval.h"

#include <math.h>

/* What Stirling's formula leaves of ln Gamma(x): ln Gamma(x) = (x - 1/2) ln x - x + ln(2 pi)/2 +
 * this. Below 10 the argument is raised by the recurrence first. */
static double remainder_of(double x)
{
    double shift = 0;
    while (x < 10) { /* remainder(x) = remainder(x + 1) + (x + 1/2) ln(1 + 1/x) - 1 */
        shift += (x + 0.5) * log1p(1 / x) - 1;
        x += 1;
    }
    double y = 1 / (x * x);
    return shift + (1.0 / 12 - y * (1.0 / 360 - y * (1.0 / 1260 - y * (1.0 / 1680)))) / x;
}

/* ln(x / (x + y)), exact also when that is almost 0. */
static double log_share(double x, double y)
{
    return x > y ? log1p(-y / (x + y)) : log(x / (x + y));
}

/* Differences of ln Gamma of large numbers lose their digits, so the large parts are taken out. */
double bsc_log_beta(double x, double y)
{
    static const double half_log_2pi = 0.91893853320467274178;
    double sum = x + y;
    return half_log_2pi + (x - 0.5) * log_share(x, y) + (y - 0.5) * log_share(y, x) -
           0.5 * log(sum) + remainder_of(x) + remainder_of(y) - remainder_of(sum);
}

/* ln of p^k (1 - p)^(n - k), with 0^0 = 1. */
static double log_likelihood(double k, double n, double p)
{
    return (k > 0 ? k * log(p) : 0) + (n > k ? (n - k) * log1p(-p) : 0);
}

/* The likelihood falls from the middle, which is inside, to the edge, which is not. */
static double border(double k, double n, double inside, double outside, double least)
{
    for (unsigned i = 0; i < 100; i++) {
        double p = inside + (outside - inside) / 2;
        if (log_likelihood(k, n, p) > least)
            inside = p;
        else
            outside = p;
    }
    return inside;
}

struct bsc_interval bsc_interval_of(uint64_t events, uint64_t units, double alpha)
{
    if (!units)
        return (struct bsc_interval){ 0, 0, 1 };
    double n = (double)units, k = (double)(events < units ? events : units), rate = k / n;
    double least = bsc_log_beta(1 + k, 1 + n - k) + log(alpha);
    return (struct bsc_interval){
        .low = k > 0 ? border(k, n, rate, 0, least) : 0,
        .rate = rate,
        .high = k < n ? border(k, n, rate, 1, least) : 1,
    };
}
