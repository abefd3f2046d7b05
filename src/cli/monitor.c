/* SPDX-License-Identifier: Apache-2.0
 * cli/monitor.c - `bascule monitor`: is it good for a while? See monitor.h. */
#include "cli/monitor.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/prometheus.h"

enum {
    DURATION_MS = 300000,
    INTERVAL_MS = 30000,
    ERRORS_PPM = 10000,
    LATENCY_MS = 1000,
    PPM_PER_PERCENT = 10000
};

struct monitor {
    struct bsc_cli *cli;
    const char *service, *slot;                           /* NULL: all */
    const char *prometheus, *error_query, *latency_query; /* NULL: not asked */
    int64_t duration_ms, interval_ms;
    double errors_percent, p95_ms; /* the limits */
    struct bsc_monitor_counted before;
    bool any_data;
    json_t *looks;
};

static int64_t number_or(const struct bsc_cli *cli, enum bsc_option option, int64_t otherwise)
{
    return bsc_cli_given(cli, option) ? cli->call.number[option] : otherwise;
}

static bool ask_prometheus(const char *url, const char *query, double *out)
{
    struct bsc_error error;
    bool known;
    *out = NAN;
    if (!query)
        return true;
    if (bsc_prometheus_ask(url, query, out, &known, &error)) {
        bsc_cli_fail(&error);
        *out = NAN;
        return false;
    }
    return known;
}

static struct bsc_monitor_look take_look(struct monitor *monitor)
{
    struct bsc_monitor_look look = { NAN, NAN, 0 };
    if (monitor->prometheus) {
        ask_prometheus(monitor->prometheus, monitor->error_query, &look.errors_percent);
        ask_prometheus(monitor->prometheus, monitor->latency_query, &look.p95_ms);
        return look;
    }
    struct bsc_monitor_counted now;
    int exit_status;
    if (!bsc_monitor_ask(monitor->cli, monitor->service, monitor->slot, &now, &exit_status))
        return look; /* it said why; there are no data */
    look = bsc_monitor_between(&monitor->before, &now);
    monitor->before = now;
    return look;
}

static void add_value(struct bsc_text *out, const char *name, double value, double limit,
                      const char *unit)
{
    if (isnan(value))
        bsc_text_printf(out, "%s unknown", name);
    else
        bsc_text_printf(out, "%s %.4g %s", name, value, unit);
    bsc_text_printf(out, " (at most %.4g %s)", limit, unit);
}

static json_t *number_json(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

/* Not a number is above nothing. */
static bool is_good(const struct monitor *monitor, const struct bsc_monitor_look *look)
{
    return !(look->errors_percent > monitor->errors_percent) && !(look->p95_ms > monitor->p95_ms);
}

static void tell(struct monitor *monitor, const struct bsc_monitor_look *look)
{
    const struct bsc_output *output = &monitor->cli->output;
    bool good = is_good(monitor, look);
    struct bsc_text values = { 0 }, line = { 0 };
    char at[BSC_TIME_BYTES], local[32];
    bsc_time_format(bsc_clock_wall_ms(), at);
    if (!monitor->prometheus)
        bsc_text_printf(&values, "%llu requests  ", (unsigned long long)look->requests);
    add_value(&values, "errors", look->errors_percent, monitor->errors_percent, "%");
    bsc_text_puts(&values, "  ");
    add_value(&values, "p95", look->p95_ms, monitor->p95_ms, "ms");
    if (output->json) {
        json_array_append_new(monitor->looks,
                              json_pack("{s:s, s:b, s:I, s:o, s:o}", "at", at, "good", good,
                                        "requests", (json_int_t)look->requests,
                                        "error_rate_percent", number_json(look->errors_percent),
                                        "p95_ms", number_json(look->p95_ms)));
    } else if (!output->quiet) {
        bsc_output_printf(output, &line, BSC_STYLE_DIM, "%s  ", bsc_cli_time(at, local));
        bsc_output_add(output, &line, good ? BSC_STYLE_PLAIN : BSC_STYLE_RED,
                       bsc_text_get(&values));
        puts(bsc_text_get(&line));
        fflush(stdout);
    }
    bsc_text_deinit(&values);
    bsc_text_deinit(&line);
}

static void wait_until(int64_t boot_ms)
{
    const struct timespec when = { boot_ms / 1000, boot_ms % 1000 * 1000000 };
    while (clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &when, NULL) != 0)
        ;
}

/* NULL: good for the whole time. */
static const char *watch(struct monitor *monitor)
{
    int64_t now_ms = bsc_clock_boot_ms(), end_ms = now_ms + monitor->duration_ms;
    while (now_ms < end_ms) {
        int64_t next_ms = now_ms + monitor->interval_ms;
        wait_until(next_ms < end_ms ? next_ms : end_ms);
        now_ms = next_ms;
        struct bsc_monitor_look look = take_look(monitor);
        tell(monitor, &look);
        monitor->any_data |= !isnan(look.errors_percent) || !isnan(look.p95_ms);
        if (!is_good(monitor, &look))
            return look.errors_percent > monitor->errors_percent
                       ? "the error rate is above its threshold"
                       : "the p95 of the latency is above its threshold";
    }
    return monitor->any_data ? NULL : "no look had data";
}

static int finish(struct monitor *monitor, const char *reason)
{
    if (monitor->cli->output.json) {
        json_t *view = json_pack("{s:b, s:o, s:o, s:f, s:f, s:O}", "good", reason == NULL, "reason",
                                 reason ? json_string(reason) : json_null(), "service",
                                 monitor->service ? json_string(monitor->service) : json_null(),
                                 "error_rate_threshold", monitor->errors_percent,
                                 "latency_threshold_ms", monitor->p95_ms, "looks", monitor->looks);
        bsc_cli_print_json(view);
        json_decref(view);
    }
    if (!reason)
        return BSC_EXIT_DONE;
    struct bsc_error error;
    bsc_error_set(&error, BSC_FAILED, "%s", reason);
    return bsc_cli_fail(&error);
}

/* The options that go with each other. */
static enum bsc_status check_options(const struct monitor *monitor, struct bsc_error *error)
{
    bool asked = monitor->error_query || monitor->latency_query;
    if (monitor->prometheus && !asked)
        return bsc_error_set(error, BSC_INVALID,
                             "--prometheus needs --error-query, --latency-query or both");
    if (!monitor->prometheus && asked)
        return bsc_error_set(error, BSC_INVALID, "a query needs --prometheus URL");
    if (monitor->prometheus && strncmp(monitor->prometheus, "http://", 7) != 0 &&
        strncmp(monitor->prometheus, "https://", 8) != 0)
        return bsc_error_set(error, BSC_INVALID,
                             "--prometheus is a URL such as http://127.0.0.1:9090, not %s",
                             monitor->prometheus);
    if (monitor->prometheus && (monitor->service || monitor->slot))
        return bsc_error_set(error, BSC_INVALID,
                             "with --prometheus the queries say of what: leave SERVICE and --slot "
                             "out");
    return BSC_OK;
}

int bsc_run_monitor(struct bsc_cli *cli)
{
    const struct bsc_call *call = &cli->call;
    struct monitor monitor = {
        .cli = cli,
        .service = call->arguments[0],
        .slot = call->text[BSC_OPTION_SLOT],
        .prometheus = call->text[BSC_OPTION_PROMETHEUS],
        .error_query = call->text[BSC_OPTION_ERROR_QUERY],
        .latency_query = call->text[BSC_OPTION_LATENCY_QUERY],
        .duration_ms = number_or(cli, BSC_OPTION_DURATION, DURATION_MS),
        .interval_ms = number_or(cli, BSC_OPTION_INTERVAL, INTERVAL_MS),
        .p95_ms = (double)number_or(cli, BSC_OPTION_LATENCY_THRESHOLD, LATENCY_MS),
    };
    struct bsc_error error;
    int exit_status;
    monitor.errors_percent =
        (double)number_or(cli, BSC_OPTION_ERROR_RATE_THRESHOLD, ERRORS_PPM) / PPM_PER_PERCENT;
    if (check_options(&monitor, &error))
        return bsc_cli_fail(&error);
    if (!monitor.prometheus &&
        !bsc_monitor_ask(cli, monitor.service, monitor.slot, &monitor.before, &exit_status))
        return exit_status;
    monitor.looks = json_array();
    exit_status = finish(&monitor, watch(&monitor));
    json_decref(monitor.looks);
    return exit_status;
}
