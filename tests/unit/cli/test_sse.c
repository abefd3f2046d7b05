/* SPDX-License-Identifier: Apache-2.0
 * tests of cli/sse.h */
#include "cli/sse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void note(void *argument, const char *event, const char *data)
{
    bsc_text_printf(argument, "[%s:%s]", event, data);
}

static const char stream[] = ": hello\n\n"
                             "id: 7\nevent: step\ndata: {\"a\":1}\n\n"
                             "event: changed\r\ndata: one\r\ndata:two\r\n\r\n"
                             "data\n\n"
                             "retry: 10\nid: x\ndata: last\n\n";
static const char expected[] = "[step:{\"a\":1}][changed:one\ntwo][message:][message:last]";

static void events_come_out_whole(void **unused)
{
    struct bsc_text seen = { 0 };
    struct bsc_sse sse = { .on_event = note, .argument = &seen };
    (void)unused;
    bsc_sse_feed(&sse, stream, strlen(stream));
    assert_string_equal(bsc_text_get(&seen), expected);
    assert_int_equal(sse.last_id, 7);
    bsc_sse_deinit(&sse);
    bsc_text_deinit(&seen);
}

static void the_pieces_in_which_they_arrive_do_not_matter(void **unused)
{
    (void)unused;
    for (size_t piece = 1; piece < 12; piece++) {
        struct bsc_text seen = { 0 };
        struct bsc_sse sse = { .on_event = note, .argument = &seen };
        for (size_t at = 0; at < strlen(stream); at += piece) {
            size_t left = strlen(stream) - at;
            bsc_sse_feed(&sse, stream + at, piece < left ? piece : left);
        }
        assert_string_equal(bsc_text_get(&seen), expected);
        bsc_sse_deinit(&sse);
        bsc_text_deinit(&seen);
    }
}

static void a_new_connection_forgets_half_an_event_and_keeps_the_id(void **unused)
{
    struct bsc_text seen = { 0 };
    struct bsc_sse sse = { .on_event = note, .argument = &seen };
    (void)unused;
    bsc_sse_feed(&sse, "id: 3\ndata: ha", 14);
    bsc_sse_restart(&sse);
    bsc_sse_feed(&sse, "data: new\n\n", 11);
    assert_string_equal(bsc_text_get(&seen), "[message:new]");
    assert_int_equal(sse.last_id, 3);
    bsc_sse_deinit(&sse);
    bsc_text_deinit(&seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_come_out_whole),
        cmocka_unit_test(the_pieces_in_which_they_arrive_do_not_matter),
        cmocka_unit_test(a_new_connection_forgets_half_an_event_and_keeps_the_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
