/* SPDX-License-Identifier: Apache-2.0
 * load/shape.c - see shape.h. */
#include "load/shape.h"

#include <math.h>

enum { US = 1000 };
static const double second_us = 1e6;

int64_t bsc_load_shape_us(const struct bsc_load_shape *shape)
{
    int64_t sum_ms = 0;
    for (unsigned i = 0; i < shape->count; i++)
        sum_ms += shape->stages[i].duration_ms;
    return sum_ms * US;
}

double bsc_load_shape_peak(const struct bsc_load_shape *shape)
{
    double peak = shape->start;
    for (unsigned i = 0; i < shape->count; i++)
        peak = fmax(peak, shape->stages[i].target);
    return peak;
}

double bsc_load_shape_at(const struct bsc_load_shape *shape, int64_t at_us)
{
    double from = shape->start;
    for (unsigned i = 0; i < shape->count; i++) {
        const struct bsc_load_stage *stage = &shape->stages[i];
        int64_t length_us = stage->duration_ms * US;
        if (at_us < length_us)
            return from + (stage->target - from) * (double)at_us / (double)length_us;
        at_us -= length_us;
        from = stage->target;
    }
    return from;
}

/* What is due in a stage of `length_s` whose rate goes from `from` to `to`. */
static double area(double from, double to, double length_s)
{
    return (from + to) / 2 * length_s;
}

/* The time at which `wanted` requests of such a stage are due: the root of
 * from t + (to - from) / (2 length) t^2 = wanted, in the form that does not cancel. */
static double time_of(double wanted, double from, double to, double length_s)
{
    double slope = (to - from) / length_s;
    double root = sqrt(fmax(0, from * from + 2 * slope * wanted));
    return from + root > 0 ? 2 * wanted / (from + root) : 0;
}

int64_t bsc_load_shape_due_us(const struct bsc_load_shape *shape, uint64_t index)
{
    double from = shape->start, wanted = (double)index, before_s = 0;
    for (unsigned i = 0; i < shape->count; i++) {
        const struct bsc_load_stage *stage = &shape->stages[i];
        double length_s = (double)stage->duration_ms / 1e3;
        double here = area(from, stage->target, length_s);
        if (wanted < here)
            return (int64_t)((before_s + time_of(wanted, from, stage->target, length_s)) *
                             second_us);
        wanted -= here;
        before_s += length_s;
        from = stage->target;
    }
    return INT64_MAX;
}

uint64_t bsc_load_shape_requests(const struct bsc_load_shape *shape)
{
    double from = shape->start, sum = 0;
    for (unsigned i = 0; i < shape->count; i++) {
        sum += area(from, shape->stages[i].target, (double)shape->stages[i].duration_ms / 1e3);
        from = shape->stages[i].target;
    }
    return (uint64_t)ceil(sum - 1e-9);
}
