/* SPDX-License-Identifier: Apache-2.0
 * Questions to others are bounded in time and memory whatever the other side does, and what is no
 * answer says why.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "adapters/query.h"
#include "peer.h"

struct asker {
    uv_loop_t loop;
    uv_timer_t beat;
    struct bsc_query_port port;
    unsigned answers;
    bool inside; /* a call of the port is under way */
    bsc_token token;
    enum bsc_answer_kind kind;
    bool passed;
    double number;
    char text[256];
};

static struct asker asker;

static void on_answer(void *argument, const struct bsc_event *event)
{
    (void)argument;
    assert_false(asker.inside);
    assert_int_equal(event->kind, BSC_EVENT_ANSWERED);
    asker.answers++;
    asker.token = event->token;
    asker.kind = event->answer->kind;
    asker.passed = event->answer->passed;
    asker.number = event->answer->number;
    snprintf(asker.text, sizeof asker.text, "%s", event->answer->text ? event->answer->text : "");
}

static void on_beat(uv_timer_t *timer)
{
    (void)timer;
}

static int set_up(void **unused)
{
    struct bsc_error error;
    (void)unused;
    memset(&asker, 0, sizeof asker);
    uv_loop_init(&asker.loop);
    uv_timer_init(&asker.loop, &asker.beat);
    uv_timer_start(&asker.beat, on_beat, 20, 20);
    assert_int_equal(bsc_query_port_create(&asker.loop, on_answer, NULL, &asker.port, &error),
                     BSC_OK);
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    bsc_query_port_destroy(&asker.port);
    uv_close((uv_handle_t *)&asker.beat, NULL);
    uv_run(&asker.loop, UV_RUN_DEFAULT);
    return uv_loop_close(&asker.loop);
}

static void begin(const struct bsc_query_spec *spec, bsc_token token)
{
    struct bsc_question question = { .spec = spec, .id = "web-query-a", .directory = "/" };
    asker.inside = true;
    asker.port.ops->ask(asker.port.self, &question, token);
    asker.inside = false;
}

static void turn(unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        uv_run(&asker.loop, UV_RUN_ONCE);
}

static void wait_for_answer(void)
{
    for (unsigned i = 0; i < 100000 && !asker.answers; i++)
        uv_run(&asker.loop, UV_RUN_ONCE);
    assert_int_equal(asker.answers, 1);
}

static struct bsc_query_spec http_spec(const char *address, char url[static 128])
{
    struct bsc_query_spec spec = { .name = "a", .kind = BSC_QUERY_HTTP, .timeout_ms = 300 };
    snprintf(url, 128, "http://%s/state", address);
    spec.url = url;
    bsc_statuses_add(&spec.statuses, 200, 299);
    return spec;
}

static void ask_peer(void (*serve)(struct peer *, int), const char *field)
{
    struct peer peer;
    char url[128];
    peer_start(&peer, "127.0.0.1", serve);
    struct bsc_query_spec spec = http_spec(peer.address, url);
    spec.field = field;
    begin(&spec, 7);
    wait_for_answer();
    assert_int_equal(asker.token, 7);
    peer_stop(&peer);
}

static void serve_number(struct peer *peer, int fd)
{
    peer_read_head(peer, fd);
    peer_puts(peer, fd, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"n\":2.5}");
}

static void a_number_is_read(void **unused)
{
    (void)unused;
    ask_peer(serve_number, "n");
    assert_int_equal(asker.kind, BSC_ANSWER_NUMBER);
    assert_true(asker.number == 2.5);
}

static void serve_nothing(struct peer *peer, int fd)
{
    peer_read_head(peer, fd);
    peer_wait(fd);
}

static void a_source_that_hangs_is_none_after_its_time(void **unused)
{
    (void)unused;
    ask_peer(serve_nothing, NULL);
    assert_int_equal(asker.kind, BSC_ANSWER_NONE);
    assert_non_null(strstr(asker.text, "no answer: "));
}

static void serve_half(struct peer *peer, int fd)
{
    peer_read_head(peer, fd);
    peer_puts(peer, fd, "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{\"n\":2.5}");
}

static void an_answer_that_breaks_off_is_none(void **unused)
{
    (void)unused;
    ask_peer(serve_half, "n");
    assert_int_equal(asker.kind, BSC_ANSWER_NONE);
}

static void serve_redirect(struct peer *peer, int fd)
{
    peer_read_head(peer, fd);
    peer_puts(peer, fd, "HTTP/1.1 302 Found\r\nLocation: /good\r\nContent-Length: 0\r\n\r\n");
}

static void a_redirect_is_not_followed(void **unused)
{
    (void)unused;
    ask_peer(serve_redirect, NULL);
    assert_int_equal(asker.kind, BSC_ANSWER_VERDICT);
    assert_false(asker.passed);
    assert_string_equal(asker.text, "answered 302");
}

static void serve_much(struct peer *peer, int fd)
{
    static const char line[] = "0123456789012345678901234567890123456789012345678901234567890123";
    peer_read_head(peer, fd);
    peer_puts(peer, fd, "HTTP/1.1 200 OK\r\nContent-Length: 640000\r\n\r\n");
    for (unsigned i = 0; i < 10000; i++)
        peer_puts(peer, fd, line);
}

static void an_answer_without_end_is_none(void **unused)
{
    (void)unused;
    ask_peer(serve_much, "n");
    assert_int_equal(asker.kind, BSC_ANSWER_NONE);
    assert_string_equal(asker.text, "its answer has more than 256 KiB");
}

static void nobody_there_is_none(void **unused)
{
    (void)unused;
    struct peer peer;
    char url[128];
    peer_start(&peer, "127.0.0.1", serve_number);
    struct bsc_query_spec spec = http_spec(peer.address, url);
    peer_stop(&peer);
    begin(&spec, 7);
    wait_for_answer();
    assert_int_equal(asker.kind, BSC_ANSWER_NONE);
    assert_non_null(strstr(asker.text, "no answer: "));
}

static void what_is_cancelled_is_not_answered(void **unused)
{
    (void)unused;
    struct peer peer;
    char url[128];
    peer_start(&peer, "127.0.0.1", serve_number);
    struct bsc_query_spec spec = http_spec(peer.address, url);
    struct bsc_query_spec command = {
        .name = "b", .kind = BSC_QUERY_COMMAND, .command.shell = "exit 0", .timeout_ms = 1000
    };
    begin(&spec, 7);
    begin(&command, 8);
    asker.port.ops->cancel(asker.port.self, 7);
    asker.port.ops->cancel(asker.port.self, 8);
    asker.port.ops->cancel(asker.port.self, 9); /* nobody */
    turn(20);
    assert_int_equal(asker.answers, 0);
    peer_stop(&peer);
}

static void a_command_that_does_not_end_is_killed_and_none(void **unused)
{
    (void)unused;
    struct bsc_query_spec spec = {
        .name = "a", .kind = BSC_QUERY_COMMAND, .command.shell = "sleep 600", .timeout_ms = 200
    };
    begin(&spec, 7);
    wait_for_answer();
    assert_int_equal(asker.kind, BSC_ANSWER_NONE);
    assert_string_equal(asker.text, "the command did not end within 200ms");
}

static void a_question_of_prometheus_is_escaped(void **unused)
{
    (void)unused;
    struct peer peer;
    char url[128];
    peer_start(&peer, "127.0.0.1", serve_number);
    struct bsc_query_spec spec = http_spec(peer.address, url);
    spec.kind = BSC_QUERY_PROMETHEUS;
    url[strlen(url) - strlen("state")] = '\0'; /* with a "/" at its end */
    spec.query = "up{a=\"b c\"} > 0";
    begin(&spec, 7);
    wait_for_answer();
    assert_int_equal(asker.kind, BSC_ANSWER_NONE);
    assert_string_equal(asker.text, "Prometheus answered 200 and nothing that can be read");
    static const char wanted[] = "GET /api/v1/query?query=up%7Ba%3D%22b%20c%22%7D%20%3E%200 HTTP";
    assert_int_equal(strncmp(peer.request, wanted, strlen(wanted)), 0);
    peer_stop(&peer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_number_is_read),
        TEST(a_source_that_hangs_is_none_after_its_time),
        TEST(an_answer_that_breaks_off_is_none),
        TEST(a_redirect_is_not_followed),
        TEST(an_answer_without_end_is_none),
        TEST(nobody_there_is_none),
        TEST(what_is_cancelled_is_not_answered),
        TEST(a_command_that_does_not_end_is_killed_and_none),
        TEST(a_question_of_prometheus_is_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
