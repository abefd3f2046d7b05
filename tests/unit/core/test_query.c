/* SPDX-License-Identifier: Apache-2.0
 * Tests of core/query.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "core/expand.h"
#include "core/query.h"

static struct bsc_query_spec spec;
static struct bsc_query_tally tally;

static int set_up(void **unused)
{
    (void)unused;
    spec = (struct bsc_query_spec){ .name = "error-ratio", .count = 2, .failure_limit = 3 };
    tally = (struct bsc_query_tally){ 0 };
    assert_true(bsc_accept_parse("< 0.01", &spec.accept));
    return 0;
}

static void number(double value)
{
    bsc_query_take(&tally, &spec,
                   &(struct bsc_answer_read){ .kind = BSC_ANSWER_NUMBER, .number = value });
}

static void none(const char *text)
{
    bsc_query_take(&tally, &spec,
                   &(struct bsc_answer_read){ .kind = BSC_ANSWER_NONE, .text = text });
}

static void says(const char *wanted)
{
    char text[256];
    bsc_query_text(&tally, &spec, text, sizeof text);
    assert_string_equal(text, wanted);
}

static void a_comparison_accepts_what_it_says(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        bool below, equal, above; /* of 5 */
    } cases[] = {
        { "< 5", true, false, false },  { "<=5", true, true, false },
        { "> 5", false, false, true },  { " >=  5 ", false, true, true },
        { "== 5", false, true, false }, { "4.5 .. 5", false, true, false },
        { "4 .. 6", true, true, true }, { "-1 .. 1e3", true, true, true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bsc_accept accept;
        assert_true(bsc_accept_parse(cases[i].text, &accept));
        assert_int_equal(bsc_accepts(&accept, 4.25), cases[i].below);
        assert_int_equal(bsc_accepts(&accept, 5), cases[i].equal);
        assert_int_equal(bsc_accepts(&accept, 5.5), cases[i].above);
        assert_false(bsc_accepts(&accept, NAN));
    }
}

static void what_is_no_comparison_is_refused(void **unused)
{
    (void)unused;
    static const char *const bad[] = { "",        "5",        "<",     "< x",    "< nan",  "< inf",
                                       "< 1e999", "< -",      "= 5",   "< 5 %",  "1 .. ",  "2 .. 1",
                                       "1..2",    "1 .. 2 3", "1 . 2", "x .. 2", "1 .. x", ">< 1" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bsc_accept accept = { .text = "as it was" };
        assert_false(bsc_accept_parse(bad[i], &accept));
        assert_string_equal(accept.text, "as it was");
    }
}

static void enough_passes_are_a_pass(void **unused)
{
    (void)unused;
    assert_int_equal(bsc_query_state(&tally, &spec), BSC_QUERY_OPEN);
    says("error-ratio: not answered yet, 0 of 2 passed");
    number(0.003);
    assert_int_equal(bsc_query_state(&tally, &spec), BSC_QUERY_OPEN);
    says("error-ratio: 0.003 is < 0.01, 1 of 2 passed");
    number(0.003);
    number(0.003);
    assert_int_equal(bsc_query_state(&tally, &spec), BSC_QUERY_PASSED);
    says("error-ratio: 0.003 is < 0.01, 2 of 2 passed");
}

static void too_many_failures_are_one_whatever_passed(void **unused)
{
    (void)unused;
    number(0);
    number(0);
    number(0.12);
    number(0.12);
    assert_int_equal(bsc_query_state(&tally, &spec), BSC_QUERY_PASSED);
    number(0.12);
    assert_int_equal(bsc_query_state(&tally, &spec), BSC_QUERY_FAILED);
    says("error-ratio: 0.12 is not < 0.01, 3 of 3 failures");
}

static void no_data_is_never_a_pass_and_the_bake_waits(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i < 100; i++)
        none("no data: no series matches the query");
    assert_int_equal(tally.passed, 0);
    assert_int_equal(bsc_query_state(&tally, &spec), BSC_QUERY_OPEN);
    says("error-ratio: no data: no series matches the query, 0 of 2 passed");
}

static void a_number_that_is_none_is_no_data(void **unused)
{
    (void)unused;
    spec.accept = (struct bsc_accept){ .text = "any", .low = -INFINITY, .high = INFINITY };
    number(NAN);
    number(INFINITY);
    assert_int_equal(tally.passed, 0);
    assert_int_equal(tally.silent, 2);
    assert_false(tally.known);
}

static void what_is_unreadable_may_count_as_a_failure(void **unused)
{
    (void)unused;
    spec.on_error = BSC_QUERY_ABORTS;
    for (unsigned i = 0; i < 3; i++)
        none("no answer: Connection refused");
    assert_int_equal(bsc_query_state(&tally, &spec), BSC_QUERY_FAILED);
    says("error-ratio: no answer: Connection refused, 3 of 3 failures");
}

static void what_is_unreadable_may_be_ignored_until_it_is_readable(void **unused)
{
    (void)unused;
    spec.on_error = BSC_QUERY_IGNORES;
    assert_int_equal(bsc_query_state(&tally, &spec), BSC_QUERY_OPEN);
    none("no answer");
    assert_int_equal(bsc_query_state(&tally, &spec), BSC_QUERY_PASSED);
    assert_int_equal(bsc_query_finding(&tally, &spec), BSC_QUERY_OPEN);
    number(0.12); /* it can be read: now it counts */
    assert_int_equal(bsc_query_state(&tally, &spec), BSC_QUERY_OPEN);
    number(0.001);
    number(0.001);
    assert_int_equal(bsc_query_state(&tally, &spec), BSC_QUERY_PASSED);
}

static void nothing_follows_from_a_dry_run(void **unused)
{
    (void)unused;
    spec.dry_run = true;
    assert_int_equal(bsc_query_state(&tally, &spec), BSC_QUERY_PASSED);
    for (unsigned i = 0; i < 3; i++)
        number(0.12);
    assert_int_equal(bsc_query_state(&tally, &spec), BSC_QUERY_PASSED);
    assert_int_equal(bsc_query_finding(&tally, &spec), BSC_QUERY_FAILED);
    says("error-ratio (dry run): 0.12 is not < 0.01, 3 of 3 failures");
    assert_string_equal(bsc_query_state_name(BSC_QUERY_FAILED), "failed");
}

static void a_gate_hears_what_it_would_ignore_as_often_as_it_asks(void **unused)
{
    (void)unused;
    spec.dry_run = true;
    assert_int_equal(bsc_query_heard(&tally, &spec), BSC_QUERY_OPEN);
    number(0.12);
    assert_int_equal(bsc_query_heard(&tally, &spec), BSC_QUERY_OPEN);
    none("no answer");
    assert_int_equal(bsc_query_heard(&tally, &spec), BSC_QUERY_PASSED);
    spec.dry_run = false;
    assert_int_equal(bsc_query_heard(&tally, &spec), BSC_QUERY_OPEN);
    number(0.12);
    number(0.12);
    assert_int_equal(bsc_query_heard(&tally, &spec), BSC_QUERY_FAILED);
}

static void a_verdict_needs_no_number(void **unused)
{
    (void)unused;
    spec.accept = (struct bsc_accept){ .text = NULL };
    bsc_query_take(&tally, &spec,
                   &(struct bsc_answer_read){ BSC_ANSWER_VERDICT, 0, true, "answered 200" });
    says("error-ratio: answered 200, 1 of 2 passed");
    bsc_query_take(&tally, &spec,
                   &(struct bsc_answer_read){ BSC_ANSWER_VERDICT, 0, false, "answered 500" });
    says("error-ratio: answered 500, 1 of 3 failures");
}

static void a_release_has_its_version_and_its_service_in_what_it_asks(void **unused)
{
    (void)unused;
    struct bsc_query_spec item = { .name = "ratio",
                                   .url = "http://${SERVICE}",
                                   .query = "up{v=\"${VERSION}\",s=\"${SLOT}\"}" };
    struct bsc_error_rule rule = { .path = "/login" };
    struct bsc_rate_rule rate = { .path = "/token", .requests = 5, .period_s = 60 };
    struct bsc_spec *file = bsc_spec_create(), *release = NULL;
    struct bsc_error error;
    file->name = "web";
    file->deploy.analysis.queries = (struct bsc_query_list){ 1, &item };
    file->errors.paths = (struct bsc_error_rules){ 1, &rule };
    file->edge.rate_paths = (struct bsc_rate_rules){ 1, &rate };
    assert_int_equal(bsc_spec_for_version(file, "v7", &release, &error), BSC_OK);
    const struct bsc_query_spec *made = &release->deploy.analysis.queries.items[0];
    assert_string_equal(made->url, "http://web");
    assert_string_equal(made->query, "up{v=\"v7\",s=\"${SLOT}\"}");
    assert_ptr_not_equal(made->name, item.name); /* the file may go */
    assert_ptr_not_equal(release->errors.paths.items[0].path, rule.path);
    assert_string_equal(release->errors.paths.items[0].path, "/login");
    assert_ptr_not_equal(release->edge.rate_paths.items[0].path, rate.path);
    assert_string_equal(release->edge.rate_paths.items[0].path, "/token");
    assert_int_equal(release->edge.rate_paths.items[0].requests, 5);
    bsc_spec_release(release);
    const char *const *texts[] = { &item.query, &item.url, &item.command.shell };
    for (unsigned i = 0; i < 3; i++) {
        *(const char **)(uintptr_t)texts[i] = "${HOME}";
        assert_int_equal(bsc_spec_for_version(file, "v7", &release, &error), BSC_INVALID);
    }
    bsc_spec_release(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_comparison_accepts_what_it_says, set_up),
        cmocka_unit_test_setup(what_is_no_comparison_is_refused, set_up),
        cmocka_unit_test_setup(enough_passes_are_a_pass, set_up),
        cmocka_unit_test_setup(too_many_failures_are_one_whatever_passed, set_up),
        cmocka_unit_test_setup(no_data_is_never_a_pass_and_the_bake_waits, set_up),
        cmocka_unit_test_setup(a_number_that_is_none_is_no_data, set_up),
        cmocka_unit_test_setup(what_is_unreadable_may_count_as_a_failure, set_up),
        cmocka_unit_test_setup(what_is_unreadable_may_be_ignored_until_it_is_readable, set_up),
        cmocka_unit_test_setup(nothing_follows_from_a_dry_run, set_up),
        cmocka_unit_test_setup(a_gate_hears_what_it_would_ignore_as_often_as_it_asks, set_up),
        cmocka_unit_test_setup(a_verdict_needs_no_number, set_up),
        cmocka_unit_test(a_release_has_its_version_and_its_service_in_what_it_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
