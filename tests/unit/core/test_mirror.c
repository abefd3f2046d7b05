/* SPDX-License-Identifier: Apache-2.0
 * Tests of core/mirror.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "core/mirror.h"

static const struct bsc_mirror_limits limits = { .minimum = 100,
                                                 .differences_bp = 100,
                                                 .slower = 200 };

static void add_place(struct bsc_mirror_report *report, enum bsc_difference kind, const char *where,
                      unsigned count, unsigned first)
{
    struct bsc_finding_at *finding = bsc_mirror_finding(report, kind, where);
    finding->count += count;
    finding->first += first;
}

static void what_proxies_tell_is_added_up_by_place(void **unused)
{
    (void)unused;
    struct bsc_mirror_report sum = { 0 }, news = { .compared = 50, .skipped = 2, .dropped = 1 };
    add_place(&news, BSC_DIFFERS_BODY, "user.name", 3, 2);
    add_place(&news, BSC_DIFFERS_HEADER, "user.name", 1, 1);
    news.live_latency[10] = 7;
    news.candidate_latency[11] = 6;
    news.findings[0].example_count = 2;
    snprintf(news.findings[0].examples[1].live, BSC_SHOWN_VALUE_BYTES, "Ann");
    bsc_mirror_add(&sum, &news);
    bsc_mirror_add(&sum, &news);
    assert_int_equal(sum.compared, 100);
    assert_int_equal(sum.skipped, 4);
    assert_int_equal(sum.dropped, 2);
    assert_int_equal(sum.live_latency[10], 14);
    assert_int_equal(sum.candidate_latency[11], 12);
    assert_int_equal(sum.finding_count, 2);
    assert_int_equal(sum.findings[0].count, 6);
    assert_int_equal(sum.findings[0].example_count, 2); /* each once */
    assert_string_equal(sum.findings[0].examples[1].live, "Ann");
    static const struct bsc_mirror_example others[] = { { .live = "Ann", .candidate = "Bob" },
                                                        { .live = "Ann", .request = "GET /" },
                                                        { .live = "Bob" } };
    assert_true(bsc_mirror_add_example(&sum.findings[0], &others[0]));
    assert_false(bsc_mirror_add_example(&sum.findings[0], &others[0]));
    assert_false(bsc_mirror_add_example(&sum.findings[0], &others[1]));
    assert_false(bsc_mirror_add_example(&sum.findings[0], &others[2]));
    assert_int_equal(bsc_mirror_different(&sum), 6);
}

static void what_turns_out_to_be_noise_does_not_count_any_more(void **unused)
{
    (void)unused;
    struct bsc_mirror_report sum = { 0 }, news = { 0 };
    add_place(&sum, BSC_DIFFERS_BODY, "time", 3, 3);
    add_place(&sum, BSC_DIFFERS_BODY, "price", 2, 1);
    bsc_mirror_finding(&news, BSC_DIFFERS_BODY, "time")->noisy = true;
    bsc_mirror_add(&sum, &news);
    assert_int_equal(bsc_mirror_different(&sum), 1);
}

static void what_has_no_room_shares_the_last_place(void **unused)
{
    (void)unused;
    struct bsc_mirror_report report = { 0 };
    for (unsigned i = 0; i < BSC_FINDINGS_MAX + 5; i++) {
        char where[32];
        snprintf(where, sizeof where, "field%u", i);
        add_place(&report, BSC_DIFFERS_HEADER, where, 1, 1);
    }
    assert_int_equal(report.finding_count, BSC_FINDINGS_MAX);
    assert_string_equal(report.findings[BSC_FINDINGS_MAX - 1].where, "(others)");
    assert_int_equal(report.findings[BSC_FINDINGS_MAX - 1].count, 6);
    assert_int_equal(bsc_mirror_different(&report), BSC_FINDINGS_MAX + 5);
}

static void noise_that_has_no_room_of_its_own_hides_nothing(void **unused)
{
    (void)unused;
    struct bsc_mirror_report sum = { 0 }, news = { 0 };
    char where[16];
    for (unsigned i = 0; i < BSC_FINDINGS_MAX; i++) {
        snprintf(where, sizeof where, "f%u", i);
        add_place(&sum, BSC_DIFFERS_BODY, where, 1, 1);
    }
    bsc_mirror_finding(&news, BSC_DIFFERS_BODY, "f1")->noisy = true;
    bsc_mirror_finding(&news, BSC_DIFFERS_BODY, "another")->noisy = true;
    bsc_mirror_add(&sum, &news);
    assert_true(sum.findings[1].noisy);
    assert_false(sum.findings[BSC_FINDINGS_MAX - 1].noisy);
}

static void what_was_not_compared_is_told_with_its_reasons(void **unused)
{
    (void)unused;
    struct bsc_mirror_report sum = { 0 }, news = { 0 };
    char text[256];
    bsc_mirror_unseen_text(&sum, text, sizeof text);
    assert_string_equal(text, "");
    bsc_mirror_skip(&news, BSC_UNSEEN_ANSWER, 500);
    bsc_mirror_skip(&news, BSC_UNSEEN_STREAM, 2);
    bsc_mirror_add(&sum, &news);
    assert_int_equal(sum.skipped, 502);
    bsc_mirror_unseen_text(&sum, text, sizeof text);
    assert_string_equal(text, "502 not compared: 500 answers too long, 2 streams");
    bsc_mirror_text(&sum, &limits, text, sizeof text);
    assert_string_equal(text, "0 compared of at least 100, 0 differ; 502 not compared: "
                              "500 answers too long, 2 streams");
    sum.compared = 100;
    bsc_mirror_text(&sum, &limits, text, sizeof text);
    assert_string_equal(text, "100 compared, 0 differ (0 %, 1 % allowed)");
    assert_string_equal(bsc_unseen_name(BSC_UNSEEN_CODED), "encoded");
}

static void a_verdict_needs_enough_and_holds_the_limits(void **unused)
{
    (void)unused;
    struct bsc_mirror_report report = { .compared = 99 };
    assert_int_equal(bsc_mirror_judge(&report, &limits), BSC_MIRROR_FEW);
    report.compared = 200;
    add_place(&report, BSC_DIFFERS_STATUS, "", 2, 2);
    assert_int_equal(bsc_mirror_judge(&report, &limits), BSC_MIRROR_ALIKE);
    add_place(&report, BSC_DIFFERS_STATUS, "", 1, 1);
    assert_int_equal(bsc_mirror_judge(&report, &limits), BSC_MIRROR_DIFFERENT);
}

static void slower_is_a_ratio_and_ten_milliseconds(void **unused)
{
    (void)unused;
    struct bsc_mirror_limits any = limits;
    struct bsc_mirror_report report = { .compared = 100 };
    any.slower = 0;
    assert_int_equal(bsc_mirror_judge(&report, &limits), BSC_MIRROR_ALIKE);
    report.live_latency[bsc_histogram_bucket(1000)] = 100;
    report.candidate_latency[bsc_histogram_bucket(9000)] = 100;
    assert_int_equal(bsc_mirror_judge(&report, &limits), BSC_MIRROR_ALIKE);
    report.candidate_latency[bsc_histogram_bucket(50000)] = 100;
    assert_int_equal(bsc_mirror_judge(&report, &limits), BSC_MIRROR_SLOWER);
    assert_int_equal(bsc_mirror_judge(&report, &any), BSC_MIRROR_ALIKE);
    report.live_latency[bsc_histogram_bucket(40000)] = 100;
    assert_int_equal(bsc_mirror_judge(&report, &limits), BSC_MIRROR_ALIKE);
}

static void the_text_names_the_largest_first_and_no_noise(void **unused)
{
    (void)unused;
    struct bsc_mirror_report report = { .compared = 40 };
    char text[512];
    bsc_mirror_text(&(struct bsc_mirror_report){ 0 }, &limits, text, sizeof text);
    assert_string_equal(text, "0 compared of at least 100, 0 differ");
    add_place(&report, BSC_DIFFERS_BODY, "user.name", 3, 3);
    add_place(&report, BSC_DIFFERS_BODY, "time", 40, 1);
    report.findings[1].noisy = true;
    add_place(&report, BSC_DIFFERS_STATUS, "", 7, 7);
    add_place(&report, BSC_DIFFERS_ANSWER, "too-late", 2, 2);
    add_place(&report, BSC_DIFFERS_BODY, "", 1, 1);
    add_place(&report, BSC_DIFFERS_HEADER, "ETag", 0, 0);
    report.compared = 1300;
    bsc_mirror_text(&report, &limits, text, sizeof text);
    assert_string_equal(text, "1300 compared, 13 differ (1 %, 1 % allowed): status 7, "
                              "user.name 3, no answer (too-late) 2");
    report.findings[0].count = report.findings[2].count = report.findings[3].count = 0;
    report.live_latency[bsc_histogram_bucket(1000)] = 100;
    report.candidate_latency[bsc_histogram_bucket(50000)] = 100;
    bsc_mirror_text(&report, &limits, text, sizeof text);
    assert_non_null(strstr(text, ": the body 1; slower: p95 5"));
    for (size_t size = 1; size < strlen(text); size++) { /* it is cut, and nothing is behind it */
        char cut[512];
        memset(cut, '#', sizeof cut);
        bsc_mirror_text(&report, &limits, cut, size);
        assert_int_equal(strlen(cut), size - 1);
        assert_int_equal(cut[size], '#');
    }
}

static void kinds_have_names(void **unused)
{
    (void)unused;
    enum bsc_difference kind;
    for (unsigned i = 0; i < BSC_DIFFERENCE_COUNT; i++) {
        assert_true(bsc_difference_parse(bsc_difference_name((enum bsc_difference)i), &kind));
        assert_int_equal(kind, i);
    }
    assert_false(bsc_difference_parse("colour", &kind));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_proxies_tell_is_added_up_by_place),
        cmocka_unit_test(what_turns_out_to_be_noise_does_not_count_any_more),
        cmocka_unit_test(what_has_no_room_shares_the_last_place),
        cmocka_unit_test(noise_that_has_no_room_of_its_own_hides_nothing),
        cmocka_unit_test(what_was_not_compared_is_told_with_its_reasons),
        cmocka_unit_test(a_verdict_needs_enough_and_holds_the_limits),
        cmocka_unit_test(slower_is_a_ratio_and_ten_milliseconds),
        cmocka_unit_test(the_text_names_the_largest_first_and_no_noise),
        cmocka_unit_test(kinds_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
