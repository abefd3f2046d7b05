/* SPDX-License-Identifier: Apache-2.0
 * cli/load.c - `bascule load SCENARIO`: runs a load test in this very process. */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/signals.h"
#include "cli/load_report.h"
#include "cli/run.h"
#include "cli/screen.h"

enum { LIVE_US = 250000 };

struct live {
    const struct bsc_output *output;
    const struct bsc_load_scenario *scenario;
    struct bsc_screen screen;
};

static void on_tick(void *argument, const struct bsc_load_progress *progress,
                    const struct bsc_load_counts *counts)
{
    struct live *live = argument;
    struct bsc_text line = { 0 };
    unsigned columns, rows;
    bsc_output_size(&columns, &rows);
    bsc_load_line(live->output, live->scenario, progress, counts, columns, &line);
    bsc_screen_draw(&live->screen, bsc_text_get(&line));
    bsc_text_deinit(&line);
}

static int report(struct bsc_cli *cli, const struct bsc_load_scenario *scenario,
                  const struct bsc_load_counts *counts, bool stopped)
{
    struct bsc_text why = { 0 };
    bool passed = bsc_load_passed(scenario, counts, stopped, &why);
    if (cli->output.json) {
        json_t *view = bsc_load_json(scenario, counts, stopped, passed);
        bsc_cli_print_json(view);
        json_decref(view);
    } else if (!cli->output.quiet) {
        bsc_load_print(&cli->output, scenario, counts);
    }
    fflush(stdout);
    if (!passed) {
        struct bsc_error error;
        bsc_error_set(&error, BSC_FAILED, "%s", bsc_text_get(&why));
        bsc_cli_fail(&error);
    }
    bsc_text_deinit(&why);
    return passed ? BSC_EXIT_DONE : BSC_EXIT_FAILED;
}

static int run(struct bsc_cli *cli, const struct bsc_load_scenario *scenario)
{
    static const int taken[] = { SIGINT, SIGTERM };
    const struct bsc_output *output = &cli->output;
    struct live live = { .output = output, .scenario = scenario };
    struct bsc_load_counts *counts = bsc_alloc(sizeof *counts);
    struct bsc_load_options options = { .tick_us = LIVE_US, .argument = &live };
    struct bsc_error error;
    bool stopped = false;
    int exit_status;
    counts->requests = bsc_alloc(scenario->request_count * sizeof *counts->requests);
    if (output->live && !output->quiet && !output->json)
        options.on_tick = on_tick;
    if (bsc_signals_open(taken, sizeof taken / sizeof *taken, &options.stop_fd, &error)) {
        exit_status = bsc_cli_fail(&error);
        goto free_counts;
    }
    enum bsc_status status = bsc_load_run(scenario, &options, counts, &stopped, &error);
    bsc_screen_close(&live.screen);
    exit_status = status ? bsc_cli_fail(&error) : report(cli, scenario, counts, stopped);
    close(options.stop_fd);
free_counts:
    free(counts->requests);
    free(counts);
    return exit_status;
}

int bsc_run_load(struct bsc_cli *cli)
{
    struct bsc_config_problems problems = { 0 };
    struct bsc_error error;
    struct bsc_load_scenario *scenario = bsc_load_scenario_read(cli->call.arguments[0], &problems);
    const struct bsc_load_wish wish = {
        .url = cli->call.text[BSC_OPTION_URL],
        .duration_ms = cli->call.number[BSC_OPTION_DURATION],
        .users = (unsigned)cli->call.number[BSC_OPTION_USERS],
        .rate = cli->call.text[BSC_OPTION_RATE],
    };
    int exit_status = BSC_EXIT_USAGE;
    if (!scenario)
        bsc_cli_print_problems(stderr, &problems, "");
    else if (bsc_load_scenario_wish(scenario, &wish, &error))
        exit_status = bsc_cli_fail(&error);
    else
        exit_status = run(cli, scenario);
    bsc_load_scenario_destroy(scenario);
    bsc_config_problems_deinit(&problems);
    return exit_status;
}
