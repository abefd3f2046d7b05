/* SPDX-License-Identifier: Apache-2.0
 * cli/status.c - `bascule status`. */
#include <stdlib.h>
#include <string.h>

#include "cli/grid.h"
#include "cli/json.h"
#include "cli/progress.h"
#include "cli/run.h"
#include "cli/stack.h"

struct health {
    unsigned healthy, total;
};

static const json_t *slot_of(const json_t *service, const char *name)
{
    return json_object_get(json_object_get(service, "slots"), name);
}

static struct health health_of(const json_t *slot)
{
    struct health health = { 0 };
    size_t index;
    const json_t *instance;
    json_array_foreach(json_object_get(slot, "instances"), index, instance)
    {
        health.total++;
        health.healthy += !strcmp(bsc_json_text(instance, "health"), "healthy");
    }
    return health;
}

/* What becomes of requests now: a rollout may let them wait although users set `serve`. */
static const char *traffic_of(const json_t *service)
{
    return json_is_true(json_object_get(service, "held")) ? "held"
                                                          : bsc_json_text(service, "traffic");
}

/* What --strict demands: traffic is served, by healthy instances only. */
static bool serves(const json_t *service)
{
    struct health health = health_of(slot_of(service, bsc_json_text(service, "live")));
    return health.total && health.healthy == health.total && !strcmp(traffic_of(service), "serve");
}

static const char *other_slot(const char *name)
{
    return !strcmp(name, "blue") ? "green" : "blue";
}

static void add_row(struct bsc_grid *grid, const json_t *service)
{
    char text[256];
    const char *live = bsc_json_text(service, "live");
    const json_t *slot = slot_of(service, live), *other = slot_of(service, other_slot(live));
    const json_t *rollout = json_object_get(service, "rollout");
    struct health health = health_of(slot);
    const char *traffic = traffic_of(service);
    const char *state = bsc_json_text(other, "state");
    bsc_grid_add(grid, BSC_STYLE_BOLD, bsc_json_text(service, "name"));
    bsc_grid_add(grid, BSC_STYLE_PLAIN, bsc_json_text(slot, "version"));
    bsc_grid_add(grid, bsc_style_of(live), live);
    snprintf(text, sizeof text, "%u/%u", health.healthy, health.total);
    enum bsc_style style = health.healthy == health.total ? BSC_STYLE_GREEN : BSC_STYLE_RED;
    bsc_grid_add(grid, health.total ? style : BSC_STYLE_DIM, health.total ? text : "none");
    bsc_grid_add(grid, bsc_style_of(traffic), traffic);
    snprintf(text, sizeof text, "%s%s%s", state, *bsc_json_text(other, "version") ? " " : "",
             bsc_json_text(other, "version"));
    bsc_grid_add(grid, bsc_style_of(state), text);
    bool locked = json_is_object(json_object_get(service, "lock"));
    bool rolls = json_is_object(rollout);
    bool paused = json_is_object(json_object_get(rollout, "paused"));
    const char *status = paused ? "paused" : bsc_json_text(rollout, "status");
    snprintf(text, sizeof text, "%s%s%s%s%s", bsc_json_text(rollout, "id"), rolls ? " " : "",
             status, rolls && locked ? ", " : "", locked ? "locked" : "");
    bsc_grid_add(grid, locked || paused ? BSC_STYLE_YELLOW : bsc_style_of(status), text);
}

/* "listening: 0.0.0.0:443 https, 0.0.0.0:80 redirect to 443, [::]:5432 tcp to db". */
static void print_listen(const json_t *listen)
{
    struct bsc_text out = { 0 };
    size_t index;
    const json_t *one;
    json_array_foreach(listen, index, one)
    {
        bsc_text_printf(&out, "%s%s %s",
                        index ? ", " : "listening: ", bsc_json_text(one, "address"),
                        bsc_json_text(one, "role"));
        if (*bsc_json_text(one, "service"))
            bsc_text_printf(&out, " to %s", bsc_json_text(one, "service"));
        if (bsc_json_number(one, "redirect_port"))
            bsc_text_printf(&out, " to %lld", bsc_json_number(one, "redirect_port"));
        if (*bsc_json_text(one, "service") && json_is_true(json_object_get(one, "tls")))
            bsc_text_puts(&out, " over TLS");
        if (json_is_true(json_object_get(one, "proxy_protocol")))
            bsc_text_puts(&out, " (PROXY protocol)");
    }
    if (out.size)
        puts(bsc_text_get(&out));
    bsc_text_deinit(&out);
}

static void print_all(const struct bsc_cli *cli, const json_t *services)
{
    static const char *const titles[] = { "SERVICE", "VERSION", "LIVE",    "HEALTHY",
                                          "TRAFFIC", "OTHER",   "ROLLOUT", NULL };
    struct bsc_grid grid;
    size_t index;
    const json_t *service;
    if (!json_array_size(services)) {
        puts("no services; put some into bascule.yaml and run `bascule apply`");
        return;
    }
    bsc_grid_init(&grid, &cli->output, titles);
    json_array_foreach(services, index, service) add_row(&grid, service);
    bsc_grid_print(&grid);
}

static void add_slot(const struct bsc_output *output, const json_t *service, const char *name,
                     struct bsc_text *out)
{
    const json_t *slot = slot_of(service, name), *instance, *rule;
    const char *state = bsc_json_text(slot, "state"), *version = bsc_json_text(slot, "version");
    size_t index;
    bsc_output_printf(output, out, bsc_style_of(name), "  %-6s", name);
    bsc_output_printf(output, out, BSC_STYLE_BOLD, "%-12s ", *version ? version : "-");
    bsc_output_printf(output, out, bsc_style_of(state), "%-10s", state);
    bsc_text_printf(out, "%3lld %%", bsc_json_number(slot, "weight_bp") / 100);
    json_array_foreach(json_object_get(slot, "match"), index, rule)
        bsc_text_printf(out, "%s %s", index ? " or" : "  and what fits", json_string_value(rule));
    bsc_text_puts(out, "\n");
    json_array_foreach(json_object_get(slot, "instances"), index, instance)
    {
        const char *health = bsc_json_text(instance, "health");
        const char *detail = bsc_json_text(instance, "detail");
        bsc_output_printf(output, out, bsc_style_of(health), "    %-8s ", health);
        bsc_output_printf(output, out, BSC_STYLE_PLAIN, "%-22s %s",
                          bsc_json_text(instance, "address"), bsc_json_text(instance, "id"));
        if (bsc_json_number(instance, "pid"))
            bsc_text_printf(out, "  pid %lld", bsc_json_number(instance, "pid"));
        if (*detail)
            bsc_output_printf(output, out, BSC_STYLE_DIM, "  %s", detail);
        bsc_text_puts(out, "\n");
    }
}

/* "  locked by anna since 2026-01-31 13:00:00: incident 42" */
static void add_lock(const struct bsc_output *output, const json_t *service, struct bsc_text *out)
{
    const json_t *lock = json_object_get(service, "lock");
    char time[32];
    if (!json_is_object(lock))
        return;
    bsc_output_printf(output, out, BSC_STYLE_YELLOW, "  locked by %s since %s: %s",
                      bsc_json_text(lock, "actor"), bsc_cli_time(bsc_json_text(lock, "at"), time),
                      bsc_json_text(lock, "reason"));
    bsc_text_puts(out, "\n");
}

static void add_preview(const struct bsc_output *output, const json_t *service,
                        struct bsc_text *out)
{
    struct bsc_text way = { 0 };
    const json_t *preview = json_object_get(service, "preview");
    if (bsc_progress_preview(service, &way)) {
        bsc_output_printf(output, out, BSC_STYLE_PLAIN, "  preview of %s: %s",
                          bsc_json_version(preview), bsc_text_get(&way));
        bsc_text_puts(out, "\n");
    }
    bsc_text_deinit(&way);
}

/* "rescued 12: status 9, reset 3; failed 1". */
static void add_rescues(const struct bsc_output *output, const json_t *rescues,
                        struct bsc_text *out)
{
    static const struct {
        const char *key, *words;
    } causes[] = { { "status", "error status" },
                   { "no_instance", "no instance" },
                   { "connect_failed", "not connected" },
                   { "reset", "broken off" },
                   { "timed_out", "timed out" } };
    long long rescued = 0, failed = bsc_json_number(rescues, "failed"),
              refused = bsc_json_number(rescues, "refused");
    for (size_t i = 0; i < sizeof causes / sizeof *causes; i++)
        rescued += bsc_json_number(rescues, causes[i].key);
    if (!rescued && !failed && !refused)
        return;
    bsc_output_printf(output, out, BSC_STYLE_YELLOW, "    rescued: %lld", rescued);
    const char *between = " (";
    for (size_t i = 0; i < sizeof causes / sizeof *causes; i++) {
        long long count = bsc_json_number(rescues, causes[i].key);
        if (!count)
            continue;
        bsc_text_printf(out, "%s%s %lld", between, causes[i].words, count);
        between = ", ";
    }
    bsc_text_puts(out, rescued ? ")" : "");
    if (failed)
        bsc_text_printf(out, ", %lld failed in both slots", failed);
    if (refused)
        bsc_text_printf(out, ", %lld not tried", refused);
    bsc_text_puts(out, "\n");
}

/* ", paused by anna since 2026-01-31 13:00:00" */
static void add_pause(const struct bsc_output *output, const json_t *rollout, struct bsc_text *out)
{
    const json_t *pause = json_object_get(rollout, "paused");
    char time[32];
    if (json_is_object(pause))
        bsc_output_printf(output, out, BSC_STYLE_YELLOW, ", paused by %s since %s",
                          bsc_json_text(pause, "actor"),
                          bsc_cli_time(bsc_json_text(pause, "at"), time));
}

static void print_one(const struct bsc_cli *cli, json_t *service)
{
    const struct bsc_output *output = &cli->output;
    struct bsc_text out = { 0 };
    json_t *rollout = json_object_get(service, "rollout");
    const char *traffic = traffic_of(service);
    bsc_output_add(output, &out, BSC_STYLE_BOLD, bsc_json_text(service, "name"));
    bsc_output_add(output, &out, bsc_style_of(traffic), "  traffic: ");
    bsc_output_add(output, &out, bsc_style_of(traffic), traffic);
    bsc_text_puts(&out, "\n");
    add_lock(output, service, &out);
    add_slot(output, service, "blue", &out);
    add_slot(output, service, "green", &out);
    add_preview(output, service, &out);
    if (json_is_object(rollout)) {
        size_t index;
        const json_t *step;
        const char *status = bsc_json_text(rollout, "status");
        bsc_output_printf(output, &out, BSC_STYLE_PLAIN, "  %s  %s %s  ",
                          bsc_json_text(rollout, "id"), bsc_json_text(rollout, "kind"),
                          bsc_json_text(rollout, "version"));
        bsc_output_add(output, &out, bsc_style_of(status), status);
        add_pause(output, rollout, &out);
        bsc_text_puts(&out, "\n");
        json_array_foreach(json_object_get(rollout, "steps"), index, step)
        {
            const char *state = bsc_json_text(step, "state");
            bsc_output_printf(output, &out, bsc_style_of(state), "    %-8s ", state);
            bsc_output_add(output, &out, BSC_STYLE_PLAIN, bsc_json_text(step, "text"));
            bsc_text_puts(&out, "\n");
        }
        const char *waiting = bsc_json_text(rollout, "waiting");
        if (*waiting) {
            bsc_output_printf(
                output, &out, BSC_STYLE_YELLOW, "    %s%s",
                json_is_object(json_object_get(rollout, "paused")) ? "" : "waiting: ", waiting);
            bsc_text_puts(&out, "\n");
        }
        add_rescues(output, json_object_get(rollout, "rescues"), &out);
    }
    fputs(bsc_text_get(&out), stdout);
    bsc_text_deinit(&out);
}

int bsc_run_status(struct bsc_cli *cli)
{
    int exit_status = BSC_EXIT_DONE;
    if (bsc_cli_given(cli, BSC_OPTION_RELEASE))
        return bsc_show_group(cli, bsc_cli_group(cli));
    const char *name = cli->call.arguments[0];
    char *path = name ? bsc_cli_service_path(name, "") : strdup("/v1/status");
    json_t *answer = bsc_cli_request(cli, "GET", path, NULL, BSC_CLI_TIMEOUT_MS, &exit_status);
    free(path);
    if (!answer)
        return exit_status;
    const json_t *services = json_object_get(answer, "services");
    if (cli->output.json)
        bsc_cli_print_json(answer);
    else if (!cli->output.quiet && name)
        print_one(cli, answer);
    else if (!cli->output.quiet) {
        print_all(cli, services);
        print_listen(json_object_get(answer, "listen"));
    }
    if (bsc_cli_given(cli, BSC_OPTION_STRICT)) {
        size_t index;
        const json_t *service;
        if (name && !serves(answer))
            exit_status = BSC_EXIT_FAILED;
        json_array_foreach(services, index, service) if (!serves(service)) exit_status =
            BSC_EXIT_FAILED;
    }
    json_decref(answer);
    return exit_status;
}
