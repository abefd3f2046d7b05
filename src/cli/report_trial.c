/* SPDX-License-Identifier: Apache-2.0
 * cli/report_trial.c - `bascule report` and `bascule convert`: what users of an A/B test do. */
#include <stdlib.h>

#include "cli/grid.h"
#include "cli/json.h"
#include "cli/run.h"

enum { CELL_BYTES = 96 };

static double percent_of(const json_t *object, const char *key)
{
    return (double)bsc_json_number(object, key) / 1e4;
}

static void add_rate(struct bsc_grid *grid, const json_t *rate)
{
    char cell[CELL_BYTES];
    snprintf(cell, sizeof cell, "%.3g %% of users, %lld (%.3g to %.3g %%)",
             percent_of(rate, "rate_ppm"), bsc_json_number(rate, "users"),
             percent_of(rate, "low_ppm"), percent_of(rate, "high_ppm"));
    bsc_grid_add(grid, BSC_STYLE_PLAIN, cell);
}

/* What is not known yet is open to that side. */
static void add_lift(struct bsc_grid *grid, const json_t *goal)
{
    char cell[CELL_BYTES];
    bool known = !json_is_null(json_object_get(goal, "lift_ppm"));
    bool bounded = !json_is_null(json_object_get(goal, "lift_high_ppm"));
    if (known && bounded)
        snprintf(cell, sizeof cell, "%+.3g %% (%+.3g to %+.3g %%)", percent_of(goal, "lift_ppm"),
                 percent_of(goal, "lift_low_ppm"), percent_of(goal, "lift_high_ppm"));
    else
        snprintf(cell, sizeof cell, "not known yet");
    bsc_grid_add(grid, BSC_STYLE_PLAIN, cell);
    snprintf(cell, sizeof cell, "%.3g", (double)bsc_json_number(goal, "p_ppm") / 1e6);
    bsc_grid_add(grid, BSC_STYLE_PLAIN, cell);
}

static void print_goals(const struct bsc_cli *cli, const json_t *trial)
{
    static const char *const titles[] = { "GOAL", "NEW VERSION", "OLD VERSION", "LIFT", "P", NULL };
    const json_t *goals = json_object_get(trial, "goals"), *goal;
    struct bsc_grid grid;
    size_t index;
    if (!json_array_size(goals))
        return;
    bsc_grid_init(&grid, &cli->output, titles);
    json_array_foreach(goals, index, goal)
    {
        bsc_grid_add(&grid, BSC_STYLE_BOLD, bsc_json_text(goal, "name"));
        add_rate(&grid, json_object_get(goal, "candidate"));
        add_rate(&grid, json_object_get(goal, "live"));
        add_lift(&grid, goal);
    }
    bsc_grid_print(&grid);
}

static double number_of(const json_t *object, const char *key)
{
    return (double)bsc_json_number(object, key) / 1e6;
}

static void print_value(const json_t *value)
{
    if (!json_is_object(value))
        return;
    printf("%s: %.4g for each user of the new version, %.4g of the old one; ",
           bsc_json_text(value, "header"), number_of(value, "candidate_millionths"),
           number_of(value, "live_millionths"));
    if (json_is_null(json_object_get(value, "low_millionths")))
        printf("too few users have one for an interval\n");
    else
        printf("difference %+.4g (%+.4g to %+.4g)\n", number_of(value, "difference_millionths"),
               number_of(value, "low_millionths"), number_of(value, "high_millionths"));
}

static void print_losses(const json_t *trial)
{
    long long lost = bsc_json_number(trial, "lost"), untaken = bsc_json_number(trial, "untaken");
    if (lost)
        printf("%lld facts about users were overwritten before they were read\n", lost);
    if (untaken)
        printf("%lld facts are about users beyond the most that one test takes\n", untaken);
}

void bsc_report_trial(const struct bsc_cli *cli, const json_t *report)
{
    const json_t *trial = json_object_get(report, "trial");
    struct bsc_text out = { 0 };
    bsc_text_printf(&out, "%s, %s%s: ", bsc_json_text(report, "rollout"), "A/B test",
                    json_is_true(json_object_get(trial, "over")) ? ", over" : "");
    bsc_output_add_lines(&out, bsc_json_text(trial, "text"), 2);
    puts(bsc_text_get(&out));
    bsc_text_deinit(&out);
    print_goals(cli, trial);
    print_value(json_object_get(trial, "value"));
    print_losses(trial);
}

int bsc_run_convert(struct bsc_cli *cli)
{
    struct bsc_error error;
    const char *user = cli->call.text[BSC_OPTION_USER];
    json_t *body =
        user ? json_pack("{s:s, s:s*, s:s*}", "user", user, "goal", cli->call.text[BSC_OPTION_GOAL],
                         "value", cli->call.text[BSC_OPTION_VALUE])
             : NULL;
    if (body)
        return bsc_cli_do(cli, "/convert", body);
    bsc_error_set(&error, BSC_INVALID,
                  user ? "an option's value is not UTF-8 text" : "--user is missing: who it was");
    return bsc_cli_fail(&error);
}
