/* SPDX-License-Identifier: Apache-2.0
 * Tests of proxy/pages.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "proxy/head.h"
#include "proxy/pages.h"

static char html_503[] = "503", html_5xx[] = "5xx", json_5xx[] = "{}", html_hold[] = "hold";
static struct bsc_page items[] = {
    { "503", html_503, NULL },
    { "5xx", html_5xx, json_5xx },
    { "hold-full", html_hold, NULL },
};
static const struct bsc_pages pages = { 3, items };

static void the_narrowest_page_of_the_right_kind_is_found(void **unused)
{
    (void)unused;
    assert_string_equal(bsc_pages_find(&pages, 503, "hold-full", false), "hold");
    assert_string_equal(bsc_pages_find(&pages, 503, "no-instance", false), "503");
    assert_string_equal(bsc_pages_find(&pages, 504, "answer-timeout", false), "5xx");
    assert_string_equal(bsc_pages_find(&pages, 503, "hold-full", true), "{}");
    assert_null(bsc_pages_find(&pages, 404, "no-route", false));
    assert_null(bsc_pages_find(&(struct bsc_pages){ 0 }, 503, "hold-full", false));
}

static void expands(const char *page, const struct bsc_page_words *words, const char *expected)
{
    char out[300];
    size_t size = strlen(expected);
    assert_int_equal(bsc_page_expand(page, words, NULL, 0), size);
    memset(out, '#', sizeof out);
    assert_int_equal(bsc_page_expand(page, words, out, size / 2), size);
    assert_memory_equal(out, expected, size / 2);
    assert_int_equal(out[size / 2], '#');
    assert_int_equal(bsc_page_expand(page, words, out, sizeof out), size);
    assert_memory_equal(out, expected, size);
}

static void words_are_put_in_and_escaped(void **unused)
{
    (void)unused;
    struct bsc_page_words words = { 503, "no-instance", "ab\"<&\n\xc3", false };
    expands("<p>{status} {reason} {request_id}</p>{{status}}", &words,
            "<p>503 no-instance ab&#34;&#60;&#38;&#10;&#195;</p>{503}");
    words.json = true;
    expands("{\"id\":\"{request_id}\"}", &words, "{\"id\":\"ab\\u0022<&\\u000a\\u00c3\"}");
    words.request_id = NULL;
    expands("{request_id}{request}{", &words, "-{request}{");
    expands("", &words, "");
}

static void an_answer_has_the_page_for_its_body(void **unused)
{
    (void)unused;
    char out[400];
    struct bsc_answer answer = { .status = 503,
                                 .reason = "no-instance",
                                 .text = "unused",
                                 .keep_alive = true,
                                 .minor = 1,
                                 .page = "<b>{reason}</b>" };
    size_t size = bsc_answer_build(&answer, out, sizeof out);
    out[size] = '\0';
    assert_string_equal(out, "HTTP/1.1 503 Service Unavailable\r\n"
                             "Content-Type: text/html; charset=utf-8\r\nContent-Length: 18\r\n"
                             "Cache-Control: no-store\r\nX-Bascule-Reason: no-instance\r\n\r\n"
                             "<b>no-instance</b>");
    for (size_t room = 0; room <= size; room++)
        assert_int_equal(bsc_answer_build(&answer, out, room), room > size ? size : 0);
    answer.head = true;
    size = bsc_answer_build(&answer, out, sizeof out);
    assert_memory_equal(out + size - 4, "\r\n\r\n", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_narrowest_page_of_the_right_kind_is_found),
        cmocka_unit_test(words_are_put_in_and_escaped),
        cmocka_unit_test(an_answer_has_the_page_for_its_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
