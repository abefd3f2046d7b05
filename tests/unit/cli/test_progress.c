/* SPDX-License-Identifier: Apache-2.0
 * tests of cli/progress.h */
#include "cli/progress.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct bsc_output plain = { 0 };

/* Steps: start, check, split; what is in the format is their state. */
static json_t *rollout(const char *status, const char *start, const char *check,
                       const char *waiting)
{
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:[{s:s, s:s, s:s}, {s:s, s:s, s:s}, {s:s, s:s, s:s}],"
        " s:s, s:s}",
        "id", "r12", "service", "web", "kind", "deploy", "strategy", "blue-green", "version", "v2",
        "slot", "green", "status", status, "steps", "state", start, "text", "start 2 instances",
        "undo", "stop them", "state", check, "text", "wait for health", "undo", "", "state",
        "pending", "text", "switch", "undo", "", "waiting", waiting, "reason",
        strcmp(status, "running") == 0 ? "" : "no instance was healthy");
    assert_non_null(json);
    return json;
}

static json_t *service(const char *health, int weight_bp)
{
    json_t *json = json_pack(
        "{s:s, s:s, s:{s:{s:s, s:s, s:i, s:[]}, s:{s:s, s:s, s:i, s:[{s:s, s:s, s:s, s:s}]}}}",
        "name", "web", "live", "blue", "slots", "blue", "state", "live", "version", "v1",
        "weight_bp", 10000 - weight_bp, "instances", "green", "state", "deploying", "version", "v2",
        "weight_bp", weight_bp, "instances", "id", "web-green-1", "address", "127.0.0.1:31003",
        "health", health, "detail", strcmp(health, "ill") == 0 ? "503 in 3 ms" : "");
    assert_non_null(json);
    return json;
}

static void every_change_is_told_once(void **unused)
{
    struct bsc_progress progress;
    struct bsc_text said = { 0 };
    (void)unused;
    bsc_progress_init(&progress, &plain, 1000);
    bsc_progress_take(&progress, service("unknown", 0),
                      rollout("running", "running", "pending", ""), 1000, &said);
    assert_string_equal(bsc_text_get(&said), "deploy v2: rollout r12, blue-green\n"
                                             "start 2 instances ...\n");
    bsc_text_clear(&said);
    bsc_progress_take(&progress, service("unknown", 0),
                      rollout("running", "running", "pending", ""), 1200, &said);
    assert_string_equal(bsc_text_get(&said), "");
    bsc_progress_take(&progress, service("healthy", 0), rollout("running", "done", "running", ""),
                      1500, &said);
    assert_string_equal(bsc_text_get(&said), "start 2 instances: done (0.5s)\n"
                                             "wait for health ...\n"
                                             "web-green-1 at 127.0.0.1:31003 is healthy\n");
    bsc_text_deinit(&said);
    bsc_progress_deinit(&progress);
}

static void a_step_that_was_never_seen_running_is_told_without_a_time(void **unused)
{
    struct bsc_progress progress;
    struct bsc_text said = { 0 };
    (void)unused;
    bsc_progress_init(&progress, &plain, 1000);
    bsc_progress_take(&progress, NULL, rollout("running", "done", "pending", ""), 1000, &said);
    assert_non_null(strstr(bsc_text_get(&said), "start 2 instances: done\n"));
    bsc_text_deinit(&said);
    bsc_progress_deinit(&progress);
}

static void a_reason_for_waiting_is_escaped_and_told_at_most_every_two_seconds(void **unused)
{
    struct bsc_progress progress;
    struct bsc_text said = { 0 };
    (void)unused;
    bsc_progress_init(&progress, &plain, 1000);
    bsc_progress_take(&progress, NULL, rollout("running", "done", "running", "1 s\033[2J\n"), 1000,
                      &said);
    assert_non_null(strstr(bsc_text_get(&said), "1 s\\x1b[2J\\x0a\n"));
    bsc_text_clear(&said);
    bsc_progress_take(&progress, NULL, rollout("running", "done", "running", "2 s"), 2000, &said);
    assert_string_equal(bsc_text_get(&said), "");
    bsc_progress_take(&progress, NULL, rollout("running", "done", "running", "3 s"), 3000, &said);
    assert_string_equal(bsc_text_get(&said), "3 s\n");
    bsc_text_deinit(&said);
    bsc_progress_deinit(&progress);
}

static void every_terminal_status_ends_the_watching(void **unused)
{
    static const char *const ended[] = { "promoted", "staged",    "rolled-back",
                                         "failed",   "cancelled", "superseded" };
    struct bsc_text said = { 0 };
    (void)unused;
    for (size_t i = 0; i < sizeof ended / sizeof *ended; i++) {
        struct bsc_progress progress;
        bsc_progress_init(&progress, &plain, 1000);
        assert_false(bsc_progress_ended(&progress));
        bsc_progress_take(&progress, NULL, rollout("undoing", "done", "failed", ""), 1, &said);
        assert_false(bsc_progress_ended(&progress));
        bsc_progress_take(&progress, NULL, rollout(ended[i], "done", "done", ""), 1, &said);
        assert_true(bsc_progress_ended(&progress));
        bsc_progress_deinit(&progress);
    }
    bsc_text_deinit(&said);
}

static void a_failure_says_why_what_was_answered_what_was_logged_and_what_to_do(void **unused)
{
    struct bsc_progress progress;
    struct bsc_text said = { 0 }, end = { 0 };
    (void)unused;
    bsc_progress_init(&progress, &plain, 1000);
    bsc_progress_take(&progress, service("ill", 0), rollout("running", "done", "running", ""), 1,
                      &said);
    bsc_progress_take(&progress, service("ill", 0), rollout("failed", "undone", "failed", ""), 2,
                      &said);
    bsc_progress_summary(&progress, false, "web-green-1 | boom\033\n", &end);
    const char *text = bsc_text_get(&end);
    assert_non_null(strstr(text, "web: deploy of v2 failed; v1 is still live\n"));
    assert_non_null(strstr(text, "no instance was healthy\n"));
    assert_non_null(strstr(text, "web-green-1: 503 in 3 ms\n"));
    assert_non_null(strstr(text, "web-green-1 | boom\\x1b\n"));
    assert_non_null(strstr(text, "bascule why web"));
    bsc_text_deinit(&said);
    bsc_text_deinit(&end);
    bsc_progress_deinit(&progress);
}

static void check_frame(const struct bsc_output *output, unsigned columns, unsigned rows)
{
    struct bsc_progress progress;
    struct bsc_text said = { 0 }, frame = { 0 };
    bsc_progress_init(&progress, output, 1000);
    bsc_progress_take(&progress, service("ill", 2500),
                      rollout("running", "done", "running", "for something that takes a while"),
                      1000, &said);
    bsc_progress_frame(&progress, NULL, 2000, columns, rows, &frame);
    unsigned lines = 0;
    for (char *line = strtok(frame.data, "\n"); line; line = strtok(NULL, "\n")) {
        assert_true(bsc_cells(line) <= columns);
        lines++;
    }
    assert_true(lines >= 4 && lines <= rows);
    bsc_text_deinit(&said);
    bsc_text_deinit(&frame);
    bsc_progress_deinit(&progress);
}

static void a_frame_fits_every_terminal(void **unused)
{
    const struct bsc_output rich = { .live = true, .color = true, .unicode = true };
    (void)unused;
    for (unsigned columns = 10; columns < 140; columns += 3)
        for (unsigned rows = 6; rows < 30; rows++) {
            check_frame(&plain, columns, rows);
            check_frame(&rich, columns, rows);
        }
}

static void a_low_terminal_shows_the_step_that_runs(void **unused)
{
    struct bsc_progress progress;
    struct bsc_text said = { 0 }, frame = { 0 };
    (void)unused;
    bsc_progress_init(&progress, &plain, 1000);
    bsc_progress_take(&progress, service("ill", 0), rollout("running", "done", "running", ""), 1000,
                      &said);
    bsc_progress_frame(&progress, NULL, 2000, 80, 5, &frame);
    assert_non_null(strstr(bsc_text_get(&frame), "wait for health"));
    assert_null(strstr(bsc_text_get(&frame), "start 2 instances"));
    bsc_text_deinit(&said);
    bsc_text_deinit(&frame);
    bsc_progress_deinit(&progress);
}

static void the_bar_never_hides_a_small_share(void **unused)
{
    static const struct {
        unsigned blue_bp;
        const char *bar;
    } bars[] = {
        { 0, "========" },    { 1, "#=======" },     { 5000, "####====" },
        { 9999, "#######=" }, { 10000, "########" },
    };
    (void)unused;
    for (size_t i = 0; i < sizeof bars / sizeof *bars; i++) {
        struct bsc_text out = { 0 };
        bsc_progress_bar(&plain, bars[i].blue_bp, 8, &out);
        assert_string_equal(bsc_text_get(&out), bars[i].bar);
        bsc_text_deinit(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_change_is_told_once),
        cmocka_unit_test(a_step_that_was_never_seen_running_is_told_without_a_time),
        cmocka_unit_test(a_reason_for_waiting_is_escaped_and_told_at_most_every_two_seconds),
        cmocka_unit_test(every_terminal_status_ends_the_watching),
        cmocka_unit_test(a_failure_says_why_what_was_answered_what_was_logged_and_what_to_do),
        cmocka_unit_test(a_frame_fits_every_terminal),
        cmocka_unit_test(a_low_terminal_shows_the_step_that_runs),
        cmocka_unit_test(the_bar_never_hides_a_small_share),
    };
    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
