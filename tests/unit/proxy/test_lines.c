/* SPDX-License-Identifier: Apache-2.0
 * Tests of proxy/lines.h: what workers are told for what the controller says. */
#include "told.h"

#define SERVICE(name, path)                                                                     \
    "{\"seq\":1,\"service\":{\"name\":\"" name "\",\"routes\":[{\"host\":null,\"path\":\"" path \
    "\"}]}}"
#define INSTANCES(name)                                                          \
    "{\"seq\":2,\"instances\":{\"service\":\"" name                              \
    "\",\"list\":[{\"id\":\"a\",\"slot\":\"blue\",\"address\":\"127.0.0.1:80\"," \
    "\"gauge\":1,\"healthy\":true}]}}"
#define SPLIT(name, blue, green)                                                                   \
    "{\"service\":\"" name "\",\"generation\":1,\"weights\":{\"blue\":" #blue ",\"green\":" #green \
    "},\"cells\":{\"blue\":0,\"green\":1}}"
#define SPLITS(list) "{\"seq\":3,\"splits\":[" list "]}"

static void begin_with(const char *const *texts, size_t count)
{
    assert_int_equal(take(HELLO), BSC_OK);
    assert_true(line.hello);
    assert_int_equal(line.epoch, 4);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(take(texts[i]), BSC_OK);
        assert_null(line.update);
    }
    assert_int_equal(take(END), BSC_OK);
    assert_true(line.end);
    assert_non_null(line.update);
}

static void begin_with_web(void)
{
    static const char *const texts[] = { SERVICE("web", "/"), INSTANCES("web"),
                                         SPLITS(SPLIT("web", 10000, 0)) };
    begin_with(texts, 3);
}

static void everything_up_to_the_end_comes_out_as_one_update(void **unused)
{
    (void)unused;
    begin_with_web();
    assert_int_equal(line.update->change_count, 1);
    const struct bsc_change *change = &line.update->changes[0];
    assert_string_equal(change->service->name, "web");
    assert_int_equal(change->roster->count, 1);
    assert_int_equal(change->roster->items[0].instance->gauge, 1);
    assert_true(change->has_split && change->split.weight_bp[BSC_BLUE] == 10000);
    assert_non_null(line.update->routes);
}

static void a_switch_is_a_small_message(void **unused)
{
    (void)unused;
    begin_with_web();
    uint32_t index = line.update->changes[0].index;
    assert_int_equal(take(SPLITS(SPLIT("web", 2500, 7500))), BSC_OK);
    assert_int_equal(line.seq, 3);
    assert_int_equal(line.update->change_count, 1);
    assert_int_equal(line.update->changes[0].index, index);
    assert_null(line.update->changes[0].service);
    assert_null(line.update->changes[0].roster);
    assert_null(line.update->routes);
    assert_int_equal(line.update->changes[0].split.weight_bp[BSC_GREEN], 7500);
}

static void routes_are_made_anew_only_when_they_change(void **unused)
{
    (void)unused;
    begin_with_web();
    assert_int_equal(take(SERVICE("web", "/")), BSC_OK);
    assert_null(line.update->routes);
    assert_int_equal(take(SERVICE("web", "/shop")), BSC_OK);
    assert_non_null(line.update->routes);
}

static void all_splits_of_a_line_are_taken_or_none(void **unused)
{
    (void)unused;
    begin_with_web();
    assert_int_not_equal(take(SPLITS(SPLIT("web", 0, 10000) "," SPLIT("unknown", 0, 10000))),
                         BSC_OK);
    assert_null(line.update);
    const struct bsc_entry *web = bsc_registry_find(&lines.now, "web");
    assert_int_equal(web->split.weight_bp[BSC_BLUE], 10000);
}

static void a_second_service_with_the_same_route_is_refused_and_leaves_no_trace(void **unused)
{
    (void)unused;
    begin_with_web();
    assert_int_equal(take(SERVICE("copy", "/")), BSC_EXISTS);
    assert_null(line.update);
    assert_null(bsc_registry_find(&lines.now, "copy"));
    assert_int_equal(take(SERVICE("copy", "/copy")), BSC_OK);
    assert_int_equal(line.update->changes[0].index, 1);
}

static void a_removed_service_gives_its_index_back(void **unused)
{
    (void)unused;
    begin_with_web();
    assert_int_equal(take("{\"seq\":5,\"remove\":{\"service\":\"web\"}}"), BSC_OK);
    assert_true(line.update->changes[0].remove);
    assert_int_equal(take(SERVICE("new", "/")), BSC_OK);
    assert_int_equal(line.update->changes[0].index, 0);
    assert_int_equal(take("{\"seq\":5,\"remove\":{\"service\":\"never\"}}"), BSC_OK);
    assert_null(line.update);
}

static void a_new_whole_state_keeps_indices_and_removes_what_is_not_in_it(void **unused)
{
    (void)unused;
    static const char *const both[] = { SERVICE("a", "/a"), SERVICE("b", "/b") };
    begin_with(both, 2);
    const uint32_t index_of_b = bsc_registry_find(&lines.now, "b")->index;
    static const char *const later[] = { SERVICE("c", "/c"), SERVICE("b", "/b") };
    begin_with(later, 2);
    assert_int_equal(line.update->change_count, 3);
    assert_int_equal(bsc_registry_find(&lines.now, "b")->index, index_of_b);
    assert_null(bsc_registry_find(&lines.now, "a"));
    unsigned removed = 0;
    for (unsigned i = 0; i < 3; i++)
        removed += line.update->changes[i].remove;
    assert_int_equal(removed, 1);
}

static void a_collection_that_does_not_end_changes_nothing(void **unused)
{
    (void)unused;
    begin_with_web();
    assert_int_equal(take(HELLO), BSC_OK);
    assert_int_equal(take(SERVICE("other", "/other")), BSC_OK);
    bsc_lines_cancel(&lines);
    assert_null(bsc_registry_find(&lines.now, "other"));
    assert_int_equal(take(SPLITS(SPLIT("web", 0, 10000))), BSC_OK);
    assert_int_equal(line.update->change_count, 1);
}

static void a_refused_line_in_a_collection_keeps_what_was_in_force(void **unused)
{
    (void)unused;
    begin_with_web();
    assert_int_equal(take(HELLO), BSC_OK);
    assert_int_equal(take("{\"seq\":1,\"service\":{\"name\":\"web\",\"idle_ms\":\"soon\"}}"),
                     BSC_INVALID);
    assert_int_equal(line.seq, 1);
    assert_int_equal(take(END), BSC_OK);
    const struct bsc_change *change = &line.update->changes[0];
    assert_int_equal(line.update->change_count, 1);
    assert_string_equal(change->service->name, "web");
    assert_int_equal(change->roster->count, 1);
    assert_true(change->has_split);
}

#define OPTIONS(members) "{\"seq\":5,\"options\":{" members "}}"

static void options_have_defaults_and_the_last_ones_hold(void **unused)
{
    (void)unused;
    assert_int_equal(lines.options->head_ms, 10000);
    assert_int_equal(lines.options->pooled_max, 1024);
    begin_with_web();
    assert_null(line.update->options);
    assert_int_equal(take(OPTIONS("\"head_ms\":500,\"of_a_later_version\":[]")), BSC_OK);
    assert_ptr_equal(line.update->options, lines.options);
    assert_int_equal(line.update->options->head_ms, 500);
    assert_int_equal(take(OPTIONS("\"pooled_max\":0")), BSC_OK);
    assert_int_equal(line.update->options->head_ms, 10000);
    assert_int_equal(line.update->options->pooled_max, 0);
}

static void options_out_of_range_change_nothing(void **unused)
{
    (void)unused;
    begin_with_web();
    assert_int_equal(take(OPTIONS("\"head_ms\":500")), BSC_OK);
    assert_int_equal(take(OPTIONS("\"head_ms\":0")), BSC_INVALID);
    assert_string_equal(error.text, "'head_ms' is no number from 1 to 86400000");
    assert_int_equal(take(OPTIONS("\"head_ms\":\"1s\"")), BSC_INVALID);
    assert_int_equal(take("{\"seq\":5,\"options\":[]}"), BSC_INVALID);
    assert_int_equal(lines.options->head_ms, 500);
}

static void options_of_a_collection_hold_from_its_end_and_stay_when_it_has_none(void **unused)
{
    (void)unused;
    static const char *const texts[] = { OPTIONS("\"head_ms\":1"), OPTIONS("\"head_ms\":700"),
                                         SERVICE("web", "/") };
    assert_int_equal(take(HELLO), BSC_OK);
    assert_int_equal(take(texts[0]), BSC_OK); /* a collection that is given up */
    begin_with(texts, 3);
    assert_int_equal(line.update->options->head_ms, 700);
    assert_int_equal(take(HELLO), BSC_OK);
    assert_int_equal(take(OPTIONS("\"head_ms\":-1")), BSC_INVALID);
    assert_int_equal(take(END), BSC_OK);
    assert_null(line.update->options);
    assert_int_equal(lines.options->head_ms, 700);
}

static void lines_before_hello_are_refused(void **unused)
{
    (void)unused;
    assert_int_equal(take(SERVICE("web", "/")), BSC_STATE);
    assert_int_equal(take(END), BSC_STATE);
    assert_int_equal(take("{\"hello\":{\"protocol\":99}}"), BSC_INVALID);
    assert_int_equal(take(SERVICE("web", "/")), BSC_STATE);
}

static void addresses_are_read_or_refused(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        { "127.0.0.1:80", true },
        { "[::1]:65535", true },
        { "unix:/run/app.sock", true },
        { "127.0.0.1", false },
        { "127.0.0.1:0", false },
        { "127.0.0.1:65536", false },
        { "127.0.0.1:+1", false },
        { "127.0.0.1: 1", false },
        { "localhost:80", false },
        { "::1:80", false },
        { "[::1]", false },
        { "[::1:80", false },
        { "unix:", false },
        { "", false },
        { ":80", false },
        { "127.0.0.1:80x", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bsc_instance *instance = NULL;
        enum bsc_status status =
            bsc_instance_create("id", BSC_BLUE, cases[i].text, 1, &instance, &error);
        if ((status == BSC_OK) != cases[i].good)
            fail_msg("'%s' gave %d", cases[i].text, status);
        bsc_instance_release(instance);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TOLD_TEST(everything_up_to_the_end_comes_out_as_one_update),
        TOLD_TEST(a_switch_is_a_small_message),
        TOLD_TEST(routes_are_made_anew_only_when_they_change),
        TOLD_TEST(all_splits_of_a_line_are_taken_or_none),
        TOLD_TEST(a_second_service_with_the_same_route_is_refused_and_leaves_no_trace),
        TOLD_TEST(a_removed_service_gives_its_index_back),
        TOLD_TEST(a_new_whole_state_keeps_indices_and_removes_what_is_not_in_it),
        TOLD_TEST(a_collection_that_does_not_end_changes_nothing),
        TOLD_TEST(a_refused_line_in_a_collection_keeps_what_was_in_force),
        TOLD_TEST(options_have_defaults_and_the_last_ones_hold),
        TOLD_TEST(options_out_of_range_change_nothing),
        TOLD_TEST(options_of_a_collection_hold_from_its_end_and_stay_when_it_has_none),
        TOLD_TEST(lines_before_hello_are_refused),
        TOLD_TEST(addresses_are_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
