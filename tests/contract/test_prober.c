/* SPDX-License-Identifier: Apache-2.0
 * Probes are bounded in time, memory and processes, whatever the other side does, and say in words
 * what they saw.
 */
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer.h"
#include "prober_client.h"

static const char *probe_of(void (*serve)(struct peer *, int), const struct bsc_health_spec *health,
                            bool passes)
{
    struct peer peer;
    peer_start(&peer, "127.0.0.1", serve);
    const char *detail = result_of(health, peer.address, passes);
    peer_stop(&peer);
    return detail;
}

/* --- HTTP --- */

static void serve_ok(struct peer *peer, int fd)
{
    peer_read_head(peer, fd);
    peer_puts(peer, fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    peer_wait(fd);
}

static void an_answer_in_the_range_passes(void **unused)
{
    (void)unused;
    struct bsc_health_spec health = health_of(BSC_PROBE_HTTP);
    assert_begins(probe_of(serve_ok, &health, true), "200 in ");
    health.status_low = health.status_high = 201;
    assert_string_equal(probe_of(serve_ok, &health, false), "answered 200 OK: ok");
}

static void serve_ill(struct peer *peer, int fd)
{
    peer_read_head(peer, fd);
    peer_puts(peer, fd,
              "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 29\r\n\r\n"
              "the \033[31mdatabase\033[0m\nis gone");
}

static void an_answer_out_of_the_range_is_shown_without_its_control_characters(void **unused)
{
    (void)unused;
    struct bsc_health_spec health = health_of(BSC_PROBE_HTTP);
    assert_string_equal(probe_of(serve_ill, &health, false),
                        "answered 503 Service Unavailable: "
                        "the \\x1b[31mdatabase\\x1b[0m\\x0ais gone");
}

static void the_request_names_path_and_host(void **unused)
{
    (void)unused;
    struct peer peer;
    struct bsc_health_spec health = health_of(BSC_PROBE_HTTP);
    peer_start(&peer, "127.0.0.1", serve_ok);
    health.path = "/a/../b?deep=1";
    result_of(&health, peer.address, true);
    assert_begins(peer.request, "GET /a/../b?deep=1 HTTP/1.1\r\n");
    char host[160];
    snprintf(host, sizeof host, "\r\nHost: %s\r\n", peer.address);
    assert_non_null(strstr(peer.request, host));
    health.host = "shop.example";
    result_of(&health, peer.address, true);
    assert_non_null(strstr(peer.request, "\r\nHost: shop.example\r\n"));
    assert_null(strstr(peer.request, peer.address));
    peer_stop(&peer);
    assert_int_equal(peer.connections, 2); /* a connection of its own for each probe */
}

/* True when there is a HEADERS frame behind the client's preface (RFC 9113 section 4.1). */
static bool has_headers(const char *bytes, size_t size)
{
    enum { PREFACE = 24, FRAME_HEAD = 9, HEADERS = 1 };
    size_t at = PREFACE;
    while (at + FRAME_HEAD <= size) {
        const unsigned char *head = (const unsigned char *)bytes + at;
        if (head[3] == HEADERS)
            return true;
        at += FRAME_HEAD + (size_t)((head[0] << 16) + (head[1] << 8) + head[2]);
    }
    return false;
}

/* HTTP/2: empty SETTINGS, their acknowledgement, and 200 with the end of stream 1, once the request
 * is there. */
static void serve_h2(struct peer *peer, int fd)
{
    static const char answer[] = "\0\0\0\4\0\0\0\0\0"
                                 "\0\0\0\4\1\0\0\0\0"
                                 "\0\0\1\1\5\0\0\0\1\x88";
    size_t size = 0;
    while (!has_headers(peer->request, size)) {
        ssize_t got = recv(fd, peer->request + size, sizeof peer->request - 1 - size, 0);
        if (got <= 0)
            return;
        size += (size_t)got;
    }
    peer_send(peer, fd, answer, sizeof answer - 1);
    peer_wait(fd);
}

static void an_instance_that_speaks_http_2_is_asked_in_it(void **unused)
{
    (void)unused;
    struct peer peer;
    struct bsc_health_spec health = health_of(BSC_PROBE_HTTP);
    peer_start(&peer, "127.0.0.1", serve_h2);
    struct bsc_probe probe = {
        .id = "web-blue-1-0", .address = peer.address, .health = &health, .speech = BSC_SPEECH_H2
    };
    the.prober.ops->probe(the.prober.self, &probe, 1);
    turn_until(1);
    assert_begins(the.results[0].detail, "200 in ");
    assert_true(the.results[0].passed);
    peer_stop(&peer);
    assert_begins(peer.request, "PRI * HTTP/2.0\r\n");
}

static void serve_redirect(struct peer *peer, int fd)
{
    char answer[256];
    peer_read_head(peer, fd);
    snprintf(answer, sizeof answer,
             "HTTP/1.1 302 Found\r\nLocation: http://%s/health\r\nContent-Length: 0\r\n\r\n",
             peer->address);
    peer_puts(peer, fd, answer);
}

static void a_redirect_is_not_followed(void **unused)
{
    (void)unused;
    struct peer peer;
    struct bsc_health_spec health = health_of(BSC_PROBE_HTTP);
    peer_start(&peer, "127.0.0.1", serve_redirect);
    assert_string_equal(result_of(&health, peer.address, false), "answered 302 Found");
    peer_stop(&peer);
    assert_int_equal(peer.connections, 1);
}

static void serve_nothing(struct peer *peer, int fd)
{
    (void)peer;
    peer_wait(fd);
}

static void a_server_that_hangs_is_left_at_the_time_limit(void **unused)
{
    (void)unused;
    struct bsc_health_spec health = health_of(BSC_PROBE_HTTP);
    health.timeout_ms = 100;
    assert_string_equal(probe_of(serve_nothing, &health, false), "no answer within 100ms");
    assert_true(the.results[0].duration_us >= 99000);
}

static void serve_drip(struct peer *peer, int fd)
{
    peer_read_head(peer, fd);
    peer_puts(peer, fd, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    while (!peer_puts(peer, fd, "."))
        usleep(5000);
}

static void a_body_that_drips_is_left_at_the_time_limit(void **unused)
{
    (void)unused;
    struct bsc_health_spec health = health_of(BSC_PROBE_HTTP);
    health.timeout_ms = 150;
    assert_string_equal(probe_of(serve_drip, &health, false),
                        "answered 200 OK, but did not end its answer within 150ms");
}

static void serve_gigabyte(struct peer *peer, int fd)
{
    static const char bytes[65536];
    peer_read_head(peer, fd);
    peer_puts(peer, fd, "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n");
    for (unsigned i = 0; i < 1073741824 / sizeof bytes; i++)
        if (peer_send(peer, fd, bytes, sizeof bytes))
            return;
}

static void serve_endless_chunks(struct peer *peer, int fd)
{
    peer_read_head(peer, fd);
    peer_puts(peer, fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (!peer_puts(peer, fd, "4\r\nmore\r\n"))
        ;
}

static void a_body_without_end_is_not_read_to_its_end(void **unused)
{
    (void)unused;
    struct peer peer;
    struct bsc_health_spec health = health_of(BSC_PROBE_HTTP);
    peer_start(&peer, "127.0.0.1", serve_gigabyte);
    assert_begins(result_of(&health, peer.address, true), "200 in ");
    peer_stop(&peer);
    assert_true(peer.sent < 64 * 1024 * 1024); /* what the kernel's buffers took */
    assert_begins(probe_of(serve_endless_chunks, &health, true), "200 in ");
}

static void serve_endless_head(struct peer *peer, int fd)
{
    peer_read_head(peer, fd);
    peer_puts(peer, fd, "HTTP/1.1 200 OK\r\n");
    while (!peer_puts(peer, fd, "X-More: and more and more and more\r\n"))
        ;
}

static void serve_endless_interim(struct peer *peer, int fd)
{
    peer_read_head(peer, fd);
    while (!peer_puts(peer, fd, "HTTP/1.1 100 Continue\r\n\r\n"))
        ;
}

static void a_head_without_end_is_refused(void **unused)
{
    (void)unused;
    struct bsc_health_spec health = health_of(BSC_PROBE_HTTP);
    assert_string_equal(probe_of(serve_endless_head, &health, false),
                        "the head of the answer is larger than 16 KiB");
    assert_string_equal(probe_of(serve_endless_interim, &health, false),
                        "the head of the answer is larger than 16 KiB");
}

static void serve_garbage(struct peer *peer, int fd)
{
    peer_read_head(peer, fd);
    peer_puts(peer, fd, "SSH-2.0-OpenSSH_9.2\r\n\r\n");
    peer_wait(fd);
}

static void serve_close(struct peer *peer, int fd)
{
    peer_read_head(peer, fd);
}

static void serve_half(struct peer *peer, int fd)
{
    peer_read_head(peer, fd);
    peer_puts(peer, fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
}

static void serve_reset(struct peer *peer, int fd)
{
    struct linger linger = { .l_onoff = 1 };
    peer_read_head(peer, fd);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

static void what_is_no_answer_is_said_in_words(void **unused)
{
    (void)unused;
    struct bsc_health_spec health = health_of(BSC_PROBE_HTTP);
    assert_string_equal(probe_of(serve_garbage, &health, false), "the answer is not HTTP");
    assert_string_equal(probe_of(serve_close, &health, false),
                        "connection closed without an answer");
    assert_string_equal(probe_of(serve_half, &health, false),
                        "answered 200 OK, but broke off in the middle of its answer");
    assert_string_equal(probe_of(serve_reset, &health, false), "connection reset");
}

static void nobody_listening_is_told_at_once(void **unused)
{
    (void)unused;
    char address[64];
    snprintf(address, sizeof address, "127.0.0.1:%u", peer_free_port());
    struct bsc_health_spec health = health_of(BSC_PROBE_HTTP);
    assert_string_equal(result_of(&health, address, false), "connection refused");
    health.kind = BSC_PROBE_TCP;
    assert_string_equal(result_of(&health, address, false), "connection refused");
    assert_string_equal(result_of(&health, "unix:/nonexistent/app.sock", false),
                        "cannot connect: No such file or directory");
}

static void an_address_that_is_none_fails_by_a_later_event(void **unused)
{
    (void)unused;
    struct bsc_health_spec health = health_of(BSC_PROBE_HTTP);
    result_of(&health, "127.0.0.1:99999", false);
    result_of(&health, "", false);
    health.path = "/with space\r\nX-Injected: 1";
    struct peer peer;
    peer_start(&peer, "127.0.0.1", serve_ok);
    result_of(&health, peer.address, false);
    peer_stop(&peer);
    assert_int_equal(peer.connections, 0);
}

static void unix_sockets_and_ipv6_are_reached(void **unused)
{
    (void)unused;
    struct peer peer;
    char where[128];
    struct bsc_health_spec http = health_of(BSC_PROBE_HTTP), tcp = health_of(BSC_PROBE_TCP);
    snprintf(where, sizeof where, "unix:/tmp/bascule-test-%ld.sock", (long)getpid());
    peer_start(&peer, where, serve_ok);
    assert_begins(result_of(&http, peer.address, true), "200 in ");
    peer_stop(&peer);
    peer_start(&peer, where, serve_nothing);
    assert_begins(result_of(&tcp, peer.address, true), "connected in ");
    peer_stop(&peer);
    peer_start(&peer, "::1", serve_ok);
    assert_begins(result_of(&http, peer.address, true), "200 in ");
    peer_stop(&peer);
}

static void the_probe_may_have_a_port_of_its_own(void **unused)
{
    (void)unused;
    struct peer peer;
    struct bsc_health_spec health = health_of(BSC_PROBE_HTTP);
    peer_start(&peer, "127.0.0.1", serve_ok);
    health.port = peer.port;
    assert_begins(result_of(&health, "127.0.0.1:1", true), "200 in ");
    assert_begins(result_of(&health, "unix:/nonexistent/app.sock", true), "200 in ");
    peer_stop(&peer);
}

static void a_proxy_in_the_environment_is_not_used(void **unused)
{
    (void)unused;
    char proxy[64];
    struct bsc_health_spec health = health_of(BSC_PROBE_HTTP);
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", peer_free_port());
    setenv("http_proxy", proxy, 1);
    setenv("ALL_PROXY", proxy, 1);
    probe_of(serve_ok, &health, true);
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
}

/* --- TCP --- */

static unsigned open_descriptors(void)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static void a_connection_is_enough_for_tcp_and_is_closed_again(void **unused)
{
    (void)unused;
    struct peer peer;
    struct bsc_health_spec health = health_of(BSC_PROBE_TCP);
    result_of(&health, "127.0.0.1:99999", false); /* libcurl keeps a wake-up pair from now on */
    unsigned before = open_descriptors();
    peer_start(&peer, "127.0.0.1", serve_nothing); /* goes on when the prober closes */
    for (unsigned i = 0; i < 20; i++)
        assert_begins(result_of(&health, peer.address, true), "connected in ");
    peer_expect(&peer, 20);
    peer_stop(&peer);
    assert_in_range(open_descriptors(), 0, before);
}

/* --- all together --- */

static void what_is_cancelled_stays_silent(void **unused)
{
    (void)unused;
    struct peer peer;
    struct bsc_health_spec http = health_of(BSC_PROBE_HTTP), command = health_of_shell("sleep 600");
    peer_start(&peer, "127.0.0.1", serve_ok);
    for (unsigned turns = 0; turns < 12; turns++) { /* after every number of the loop's turns */
        begin(&http, peer.address, 1);
        begin(&command, "", 2);
        begin(&http, "127.0.0.1:99999", 3); /* has failed and waits for its turn */
        for (unsigned i = 0; i < turns && !the.count; i++)
            uv_run(&the.loop, UV_RUN_NOWAIT);
        for (bsc_token token = 1; token <= 3; token++)
            the.prober.ops->cancel(the.prober.self, token);
        the.prober.ops->cancel(the.prober.self, 1);   /* twice */
        the.prober.ops->cancel(the.prober.self, 400); /* unknown */
        unsigned told = the.count;
        begin(&http, peer.address, 5);
        turn_until(told + 1);
        assert_int_equal(the.results[told].token, 5);
        the.count = 0;
    }
    bsc_prober_destroy(&the.prober);
    uv_run(&the.loop, UV_RUN_DEFAULT);
    peer_stop(&peer);
}

static void destroying_ends_everything_under_way(void **unused)
{
    (void)unused;
    struct peer peer;
    struct bsc_health_spec http = health_of(BSC_PROBE_HTTP), command = health_of_shell("sleep 600");
    peer_start(&peer, "127.0.0.1", serve_nothing);
    begin(&http, peer.address, 1);
    begin(&command, "", 2);
    uv_run(&the.loop, UV_RUN_NOWAIT);
    begin(&http, "", 3);
    bsc_prober_destroy(&the.prober);
    uv_run(&the.loop, UV_RUN_DEFAULT);
    assert_int_equal(the.count, 0);
    peer_stop(&peer);
}

static int64_t cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 + usage.ru_utime.tv_usec +
           usage.ru_stime.tv_usec;
}

static void a_thousand_probes_at_once_are_all_answered(void **unused)
{
    (void)unused;
    enum { PROBES = 1000 };
    struct peer peer, mute;
    struct bsc_health_spec health = health_of(BSC_PROBE_HTTP), brief = health;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    health.timeout_ms = GUARD_MS;
    brief.timeout_ms = 300;
    peer_start(&peer, "127.0.0.1", serve_close);
    peer_start(&mute, "127.0.0.1", serve_nothing); /* takes one, the others stay in its backlog */
    unsigned before = open_descriptors();
    int64_t cpu = cpu_us();
    for (unsigned i = 0; i < PROBES; i++)
        begin(i % 2 ? &brief : &health, i % 2 ? mute.address : peer.address, i + 1);
    turn_until(PROBES);
    print_message("%lld us of CPU a probe\n", (long long)(cpu_us() - cpu) / PROBES);
    while (open_descriptors() > before) /* closed handles have one more turn to go */
        uv_run(&the.loop, UV_RUN_ONCE);
    peer_stop(&peer);
    peer_stop(&mute);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        probe_test(an_answer_in_the_range_passes),
        probe_test(an_answer_out_of_the_range_is_shown_without_its_control_characters),
        probe_test(the_request_names_path_and_host),
        probe_test(an_instance_that_speaks_http_2_is_asked_in_it),
        probe_test(a_redirect_is_not_followed),
        probe_test(a_server_that_hangs_is_left_at_the_time_limit),
        probe_test(a_body_that_drips_is_left_at_the_time_limit),
        probe_test(a_body_without_end_is_not_read_to_its_end),
        probe_test(a_head_without_end_is_refused),
        probe_test(what_is_no_answer_is_said_in_words),
        probe_test(nobody_listening_is_told_at_once),
        probe_test(an_address_that_is_none_fails_by_a_later_event),
        probe_test(unix_sockets_and_ipv6_are_reached),
        probe_test(the_probe_may_have_a_port_of_its_own),
        probe_test(a_proxy_in_the_environment_is_not_used),
        probe_test(a_connection_is_enough_for_tcp_and_is_closed_again),
        probe_test(what_is_cancelled_stays_silent),
        probe_test(destroying_ends_everything_under_way),
        probe_test(a_thousand_probes_at_once_are_all_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
