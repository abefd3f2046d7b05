/* SPDX-License-Identifier: Apache-2.0
 * Tests of proxy/mirror_rules.h, mirror_diff.h and mirror_findings.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "proxy/mirror_findings.h"

#define RULES                                                                               \
    "\"id\":12,\"slot\":\"green\",\"share_bp\":1000,\"status\":true,\"learn\":true,\"body_" \
    "bytes\":4096"

static struct bsc_mirror_rules *rules_of(const char *more)
{
    char text[512];
    struct bsc_mirror_rules *rules;
    struct bsc_error error;
    snprintf(text, sizeof text, "{" RULES "%s}", more);
    json_t *object = json_loads(text, 0, NULL);
    assert_non_null(object);
    if (bsc_mirror_rules_parse(object, &rules, &error))
        rules = NULL;
    json_decref(object);
    return rules;
}

/* What differs, "kind where: live | candidate" a line. */
static void assert_differs(const char *more, const char *live, const char *candidate,
                           const char *wanted)
{
    static const char head[] = "HTTP/1.1 200 OK\r\n";
    struct bsc_mirror_rules *rules = rules_of(more);
    struct bsc_differences out;
    struct bsc_text text = { 0 };
    char bytes[2][2048];
    const char *answers[] = { live, candidate };
    assert_non_null(rules);
    for (int i = 0; i < 2; i++) {
        bool whole = !strncmp(answers[i], "HTTP/", 5);
        if (whole)
            snprintf(bytes[i], sizeof bytes[i], "%s", answers[i]);
        else
            snprintf(bytes[i], sizeof bytes[i], "%sContent-Length: %zu\r\n\r\n%s", head,
                     strlen(answers[i]), answers[i]);
    }
    assert_true(bsc_mirror_compare(rules, BSC_METHOD_GET, "/users/1?full=1",
                                   (struct bsc_message){ bytes[0], strlen(bytes[0]) },
                                   (struct bsc_message){ bytes[1], strlen(bytes[1]) }, &out));
    for (unsigned i = 0; i < out.count; i++)
        bsc_text_printf(&text, "%s %s: %s | %s\n", bsc_difference_name(out.items[i].kind),
                        out.items[i].where, out.items[i].live, out.items[i].candidate);
    if (out.opaque)
        bsc_text_puts(&text, "opaque\n");
    assert_string_equal(bsc_text_get(&text), wanted);
    bsc_text_deinit(&text);
    bsc_mirror_rules_destroy(rules);
}

#define JSON ",\"body\":\"json\""

static void fields_of_json_are_told_by_their_paths(void **unused)
{
    (void)unused;
    assert_differs(JSON, "{\"a\":1,\"b\":{\"c\":\"x\"}}", "{\"b\":{\"c\":\"x\"},\"a\":1.0}", "");
    assert_differs(JSON, "{\"user\":{\"name\":\"Ann\",\"age\":7}}",
                   "{\"user\":{\"name\":\"Bob\",\"age\":8}}",
                   "body user.name: \"Ann\" | \"Bob\"\nbody user.age: 7 | 8\n");
    assert_differs(JSON, "{\"a\":1}", "{\"b\":2}",
                   "body a: 1 | (missing)\nbody b: (missing) | 2\n");
    assert_differs(JSON, "{\"a\":null}", "{\"a\":false}", "body a: null | false\n");
    assert_differs(JSON, "3", "4", "body : 3 | 4\n");
}

static void items_of_a_list_share_a_path(void **unused)
{
    (void)unused;
    assert_differs(JSON, "{\"items\":[{\"price\":1},{\"price\":2}]}",
                   "{\"items\":[{\"price\":3},{\"price\":4}]}", "body items[].price: 1 | 3\n");
    assert_differs(JSON, "{\"items\":[1,2]}", "{\"items\":[1]}", "body items: 2 items | 1 items\n");
    assert_differs(JSON, "[[1],[2]]", "[[1],[3]]", "body [][]: 2 | 3\n");
}

static void ignored_fields_do_not_count_with_all_that_is_in_them(void **unused)
{
    (void)unused;
    static const char ignoring[] = JSON ",\"ignored\":[\"user.time\",\"items[].id\",\"meta\"]";
    assert_differs(ignoring,
                   "{\"user\":{\"time\":1,\"name\":1},\"items\":[{\"id\":1}],\"meta\":{\"x\":1}}",
                   "{\"user\":{\"time\":2,\"name\":2},\"items\":[{\"id\":2}],\"meta\":{\"x\":2}}",
                   "body user.name: 1 | 2\n");
}

static void what_is_no_json_is_compared_as_bytes(void **unused)
{
    (void)unused;
    assert_differs(JSON, "hello", "hello", "");
    assert_differs(JSON, "hello", "help!",
                   "body (bytes of /users): 5 bytes | 5 bytes, others from byte 4 on\n");
    assert_differs(JSON, "{\"a\":1}", "oops",
                   "body (bytes of /users): 7 bytes | 4 bytes, others from byte 1 on\n");
    assert_differs(",\"body\":\"bytes\"", "{\"a\":1}", "{\"a\": 1}",
                   "body (bytes of /users): 7 bytes | 8 bytes, others from byte 6 on\n");
    assert_differs(",\"body\":\"none\"", "a", "b", "");
}

static void chunks_are_joined_and_other_framings_are_the_same(void **unused)
{
    (void)unused;
    static const char chunked[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "4\r\n{\"a\"\r\n3\r\n:1}\r\n0\r\n\r\n";
    assert_differs(JSON, chunked, "{\"a\":1}", "");
    assert_differs(JSON, "{\"a\":2}", chunked, "body a: 2 | 1\n");
    assert_differs(JSON, "HTTP/1.1 200 OK\r\n\r\n{\"a\":1}", chunked, "");
    assert_differs(JSON, "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
                   "HTTP/1.1 304 Not Modified\r\n\r\n", "");
}

static void statuses_and_chosen_headers_are_compared(void **unused)
{
    (void)unused;
    static const char headers[] = JSON ",\"headers\":[\"Content-Type\",\"vary\"]";
    assert_differs(headers, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Type: a\r\n\r\n1",
                   "HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\nContent-Type: b\r\n\r\n2",
                   "status : 200 | 404\n");
    assert_differs(
        headers, "HTTP/1.1 204 No Content\r\ncontent-type: a\r\nVary: x\r\nVary: y\r\nX: 1\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nContent-Type: b\r\nVary: x, y\r\nX: 2\r\n\r\n",
        "header Content-Type: a | b\n");
}

static void encoded_bodies_that_differ_can_not_be_compared(void **unused)
{
    (void)unused;
    assert_differs(JSON, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\na",
                   "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nb",
                   "opaque\n");
}

static void an_answer_that_is_not_whole_is_not_compared(void **unused)
{
    (void)unused;
    static const char *const broken[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nContent-Le",
    };
    struct bsc_mirror_rules *rules = rules_of(JSON);
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct bsc_differences out;
        char bytes[128], good[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        snprintf(bytes, sizeof bytes, "%s", broken[i]);
        assert_false(bsc_mirror_compare(rules, BSC_METHOD_GET, "/",
                                        (struct bsc_message){ good, strlen(good) },
                                        (struct bsc_message){ bytes, strlen(bytes) }, &out));
    }
    bsc_mirror_rules_destroy(rules);
}

static void what_is_shown_is_short_and_utf8(void **unused)
{
    (void)unused;
    char out[16];
    bsc_mirror_show("a\tb", 3, out, sizeof out);
    assert_string_equal(out, "a b");
    bsc_mirror_show("0123456789ab\xc3\xa4xyz", 17, out, sizeof out);
    assert_string_equal(out, "0123456789ab...");
    bsc_mirror_show("0123456789a\xc3\xa4xyz", 16, out, sizeof out);
    assert_string_equal(out, "0123456789a...");
}

static void rules_that_can_not_be_are_refused(void **unused)
{
    (void)unused;
    static const char *const bad[] = {
        "",
        ",\"body\":\"xml\"",
        JSON ",\"id\":0",
        JSON ",\"share_bp\":10001",
        JSON ",\"body_bytes\":70000",
        JSON ",\"slot\":\"red\"",
        JSON ",\"methods\":\"GET\"",
        JSON ",\"methods\":[1]",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_null(rules_of(bad[i]));
}

static struct bsc_differences one(enum bsc_difference kind, const char *where)
{
    struct bsc_differences out = { .count = 1, .items = { { .kind = kind } } };
    snprintf(out.items[0].where, sizeof out.items[0].where, "%s", where);
    return out;
}

static void a_field_is_asked_for_until_it_is_known(void **unused)
{
    (void)unused;
    static struct bsc_mirrored mirrored;
    const struct bsc_differences price = one(BSC_DIFFERS_BODY, "price"), none = { 0 };
    mirrored = (struct bsc_mirrored){ .id = 1 };
    assert_false(bsc_mirrored_doubts(&mirrored, &none));
    for (unsigned i = 0; i < BSC_MIRROR_ASKED; i++) {
        assert_true(bsc_mirrored_doubts(&mirrored, &price));
        bsc_mirrored_count(&mirrored, &price, &none, "GET /");
    }
    assert_false(bsc_mirrored_doubts(&mirrored, &price));
    bsc_mirrored_count(&mirrored, &price, NULL, "GET /");
    assert_int_equal(mirrored.news.compared, 4);
    assert_int_equal(bsc_mirror_different(&mirrored.news), 4);
    assert_int_equal(mirrored.news.findings[0].example_count, 1); /* each once ... */
    for (char path[] = "GET /a"; path[5] < 'z'; path[5]++)
        bsc_mirrored_count(&mirrored, &price, NULL, path);
    assert_int_equal(mirrored.news.findings[0].example_count, BSC_EXAMPLES_MAX);
    while (mirrored.places[0].examples < 9) { /* ... and not for ever */
        json_decref(bsc_mirrored_line(&mirrored));
        bsc_mirrored_count(&mirrored, &price, NULL, "GET /");
        assert_int_equal(mirrored.news.findings[0].example_count, 1);
    }
    json_decref(bsc_mirrored_line(&mirrored));
    bsc_mirrored_count(&mirrored, &price, NULL, "GET /");
    assert_int_equal(mirrored.news.findings[0].example_count, 0);
}

static void what_differs_in_the_live_version_is_noise_for_good(void **unused)
{
    (void)unused;
    static struct bsc_mirrored mirrored;
    const struct bsc_differences time = one(BSC_DIFFERS_BODY, "time"),
                                 status = one(BSC_DIFFERS_STATUS, ""), none = { 0 };
    mirrored = (struct bsc_mirrored){ .id = 1 };
    bsc_mirrored_count(&mirrored, &time, &none, "GET /"); /* by chance it was the same */
    assert_int_equal(bsc_mirror_different(&mirrored.news), 1);
    bsc_mirrored_count(&mirrored, &time, &time, "GET /");
    bsc_mirrored_count(&mirrored, &time, NULL, "GET /");
    assert_false(bsc_mirrored_doubts(&mirrored, &time));
    assert_int_equal(mirrored.news.compared, 3);
    assert_int_equal(bsc_mirror_different(&mirrored.news), 0);
    bsc_mirrored_count(&mirrored, &status, &status, "GET /"); /* the live version fails itself */
    assert_int_equal(mirrored.news.skipped, 1);
    assert_true(bsc_mirrored_doubts(&mirrored, &status));
}

static void no_answer_is_a_difference_with_its_reason(void **unused)
{
    (void)unused;
    static struct bsc_mirrored mirrored;
    mirrored = (struct bsc_mirrored){ .id = 7, .service = (char *)(uintptr_t) "web" };
    bsc_mirrored_unanswered(&mirrored, "too-late", "GET /a");
    assert_int_equal(bsc_mirror_different(&mirrored.news), 1);
    json_t *line = bsc_mirrored_line(&mirrored);
    char *text = json_dumps(line, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(
        text, "{\"mirror\":{\"candidate_us\":[],\"compared\":1,\"dropped\":0,\"findings\":[{"
              "\"count\":1,\"examples\":[{\"candidate\":\"too-late\",\"live\":\"an answer\","
              "\"request\":\"GET /a\"}],\"first\":1,\"kind\":\"answer\",\"noisy\":false,"
              "\"where\":\"too-late\"}],\"live_us\":[],\"rollout\":7,\"service\":\"web\","
              "\"skipped\":0,\"why\":{}}}");
    free(text);
    json_decref(line);
    assert_int_equal(mirrored.news.compared, 0);
    assert_false(mirrored.fresh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_of_json_are_told_by_their_paths),
        cmocka_unit_test(items_of_a_list_share_a_path),
        cmocka_unit_test(ignored_fields_do_not_count_with_all_that_is_in_them),
        cmocka_unit_test(what_is_no_json_is_compared_as_bytes),
        cmocka_unit_test(chunks_are_joined_and_other_framings_are_the_same),
        cmocka_unit_test(statuses_and_chosen_headers_are_compared),
        cmocka_unit_test(encoded_bodies_that_differ_can_not_be_compared),
        cmocka_unit_test(an_answer_that_is_not_whole_is_not_compared),
        cmocka_unit_test(what_is_shown_is_short_and_utf8),
        cmocka_unit_test(rules_that_can_not_be_are_refused),
        cmocka_unit_test(a_field_is_asked_for_until_it_is_known),
        cmocka_unit_test(what_differs_in_the_live_version_is_noise_for_good),
        cmocka_unit_test(no_answer_is_a_difference_with_its_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
