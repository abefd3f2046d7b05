#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The numbers that tests/unit/core/analysis hold the judge against, from the formulas of
docs/analysis.md and nothing of ours: products instead of logarithms, factorials instead of Gamma."""
from fractions import Fraction
from math import ceil, factorial, log, log1p, sqrt

RHO = [1.15 * (50 / 1.15) ** (j / 23) for j in range(24)]


def log_e(w, r0, candidate, live):
    ratios = (r ** candidate * ((w * r0 + 1 - w) / (w * r0 * r + 1 - w)) ** (candidate + live) for r in RHO)
    return log(sum(ratios) / 24)


def log_beta(x, y):
    beta = Fraction(factorial(x - 1) * factorial(y - 1), factorial(x + y - 1))
    return log(beta.numerator) - log(beta.denominator)


def interval(k, n, alpha):
    least = log_beta(1 + k, 1 + n - k) + log(alpha)

    def likelihood(p):
        return (k * log(p) if k else 0) + ((n - k) * log1p(-p) if n > k else 0)

    def border(inside, outside):
        for _ in range(200):
            p = (inside + outside) / 2
            if likelihood(p) > least:
                inside = p
            else:
                outside = p
        return inside

    return border(k / n, 0) if k else 0, border(k / n, 1) if k < n else 1


def steady(values, alpha):
    k, mean, rho2 = len(values), sum(values) / len(values), 0.02
    variance = sum((x - mean) ** 2 for x in values) / (k - 1)
    return mean, sqrt(variance * 2 * (k * rho2 + 1) / (k * k * rho2) * log(1 + sqrt(k * rho2 + 1) / (2 * alpha)))


def needed(alpha, w, instances):
    return ceil(log(alpha) / log(max(w, 1 / max(instances, 2))))


if __name__ == "__main__":
    for case in [(0.05, 1, 3, 10), (0.5, 1, 5, 1), (0.25, 1.2, 2, 7), (0.0001, 1, 1, 0), (0.9999, 1, 1, 0)]:
        print("ln E", case, log_e(*case))
    for case in [(1, 1), (1, 10), (3, 4), (1001, 1), (500, 500), (11, 90)]:
        print("ln B", case, log_beta(*case))
    for case in [(0, 1000, 0.01), (1, 1, 0.01), (12, 100, 0.01), (50, 1000, 0.005), (500, 10000, 0.01)]:
        print("interval", case, interval(*case))
    differences = [((i * 37) % 11 - 5) / 100 for i in range(40)]
    print("steady", steady(differences, 0.005), steady(differences[:30], 0.01))
    for case in [(0.01, 0.05, 1), (0.01, 0.05, 2), (0.005, 0.05, 2), (0.01, 0.05, 10), (0.01, 0.9, 4)]:
        print("slices", case, needed(*case))
