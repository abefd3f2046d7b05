/* SPDX-License-Identifier: Apache-2.0
 * load/threshold.c - see threshold.h. */
#include "load/threshold.h"

#include <string.h>

#include "base/clock.h"

const char *const bsc_load_metric_names[BSC_LOAD_METRICS] = {
    [BSC_LOAD_P50] = "p50",       [BSC_LOAD_P90] = "p90",      [BSC_LOAD_P95] = "p95",
    [BSC_LOAD_P99] = "p99",       [BSC_LOAD_MAX] = "max",      [BSC_LOAD_RATE] = "rate",
    [BSC_LOAD_ERRORS] = "errors", [BSC_LOAD_STABLE] = "stable"
};

static bool is_latency(enum bsc_load_metric metric)
{
    return metric <= BSC_LOAD_MAX;
}

/* "12", "0.25": *at moves behind it. */
static bool take_decimal(const char **at, double *out)
{
    size_t digits = strspn(*at, "0123456789");
    double place = 1;
    if (!digits || digits > 9)
        return false;
    for (*out = 0; digits > 0; digits--, ++*at)
        *out = *out * 10 + (**at - '0');
    if (**at != '.')
        return true;
    size_t places = strspn(++*at, "0123456789");
    if (!places || places > 6)
        return false;
    for (; places > 0; places--, ++*at)
        *out += (**at - '0') * (place /= 10);
    return true;
}

bool bsc_load_rate_parse(const char *text, double *out)
{
    static const struct {
        const char *name;
        double seconds;
    } periods[] = { { "/s", 1 }, { "/m", 60 }, { "/h", 3600 } };
    if (!take_decimal(&text, out))
        return false;
    for (size_t i = 0; i < sizeof periods / sizeof *periods; i++)
        if (!strcmp(text, periods[i].name)) {
            *out /= periods[i].seconds;
            return *out <= BSC_LOAD_RATE_MAX;
        }
    return false;
}

static bool parse_value(enum bsc_load_metric metric, const char *text, double *out)
{
    if (is_latency(metric)) {
        int64_t ms;
        const char *end = text + strlen(text);
        if (end - text > 2 && !strcmp(end - 2, "us"))
            return take_decimal(&text, out) && !strcmp(text, "us");
        if (bsc_duration_parse(text, &ms, NULL) || ms <= 0)
            return false;
        *out = (double)ms * 1e3;
        return true;
    }
    if (metric == BSC_LOAD_RATE)
        return bsc_load_rate_parse(text, out);
    if (!take_decimal(&text, out))
        return false;
    *out /= 100;
    return !strcmp(text, "%") || !strcmp(text, " %");
}

enum bsc_status bsc_load_threshold_parse(enum bsc_load_metric metric, const char *text,
                                         struct bsc_load_threshold *out, struct bsc_error *error)
{
    static const char *const examples[BSC_LOAD_METRICS] = {
        [BSC_LOAD_P50] = "\"< 100ms\"",   [BSC_LOAD_P90] = "\"< 250ms\"",
        [BSC_LOAD_P95] = "\"< 500ms\"",   [BSC_LOAD_P99] = "\"< 1s\"",
        [BSC_LOAD_MAX] = "\"< 5s\"",      [BSC_LOAD_RATE] = "\"> 1000/s\" (in quotes)",
        [BSC_LOAD_ERRORS] = "\"< 0.1%\"", [BSC_LOAD_STABLE] = "\"< 25%\""
    };
    const char sign = metric == BSC_LOAD_RATE ? '>' : '<';
    const char *at = text;
    *out = (struct bsc_load_threshold){ .metric = metric };
    bool has_sign = *at == sign;
    at += has_sign;
    out->or_equal = !has_sign || *at == '=';
    at += has_sign && *at == '=';
    at += strspn(at, " ");
    if (!parse_value(metric, at, &out->limit))
        return bsc_error_set(error, BSC_INVALID, "expected a limit such as %s, found '%s'",
                             examples[metric], text);
    return BSC_OK;
}

static bool find(enum bsc_load_metric metric, const struct bsc_load_counts *counts, double *out)
{
    static const double quantiles[] = {
        [BSC_LOAD_P50] = 0.5, [BSC_LOAD_P90] = 0.9, [BSC_LOAD_P95] = 0.95, [BSC_LOAD_P99] = 0.99
    };
    if (metric == BSC_LOAD_ERRORS)
        return bsc_load_error_rate(counts, out);
    if (metric == BSC_LOAD_STABLE)
        return bsc_load_drift(counts, out);
    if (metric == BSC_LOAD_RATE)
        *out = bsc_load_rate(counts);
    else if (metric == BSC_LOAD_MAX)
        *out = (double)counts->all.max_us;
    else
        *out = bsc_load_quantile_us(&counts->all, quantiles[metric]);
    return counts->all.requests > 0;
}

struct bsc_load_verdict bsc_load_judge(const struct bsc_load_threshold *threshold,
                                       const struct bsc_load_counts *counts)
{
    struct bsc_load_verdict verdict = { 0 };
    verdict.known = find(threshold->metric, counts, &verdict.found);
    bool beyond = threshold->metric == BSC_LOAD_RATE ? verdict.found > threshold->limit
                                                     : verdict.found < threshold->limit;
    bool equal = threshold->or_equal && verdict.found == threshold->limit;
    verdict.met = verdict.known && (beyond || equal);
    return verdict;
}

void bsc_load_value_text(enum bsc_load_metric metric, double value, struct bsc_text *out)
{
    if (metric == BSC_LOAD_RATE)
        bsc_text_printf(out, value < 100 ? "%.3g/s" : "%.0f/s", value);
    else if (!is_latency(metric))
        bsc_text_printf(out, value < 10 ? "%.3g %%" : "%.0f %%", value * 100);
    else if (value < 1e3)
        bsc_text_printf(out, "%.0f us", value);
    else if (value < 1e4)
        bsc_text_printf(out, "%.1f ms", value / 1e3);
    else if (value < 1e6)
        bsc_text_printf(out, "%.0f ms", value / 1e3);
    else
        bsc_text_printf(out, "%.2f s", value / 1e6);
}

void bsc_load_threshold_text(const struct bsc_load_threshold *threshold, struct bsc_text *out)
{
    bsc_text_printf(out, "%s %c%s ", bsc_load_metric_names[threshold->metric],
                    threshold->metric == BSC_LOAD_RATE ? '>' : '<', threshold->or_equal ? "=" : "");
    bsc_load_value_text(threshold->metric, threshold->limit, out);
}
