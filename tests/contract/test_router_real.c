/* SPDX-License-Identifier: Apache-2.0
 * The router against the running bascule-proxy: what it calls published is what clients see. */
#include "router_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"

enum { ANSWER_MS = 10000 };

/* A proxy process, an origin process a slot, and the test's stage as their supervisor. */
struct real {
    struct stage *stage;
    pid_t proxies[2];
    int channels[2];
    unsigned proxy_count;
    int listener, port;
    pid_t origins[BSC_SLOT_COUNT];
    int origin_ports[BSC_SLOT_COUNT];
};

/* -- origins --------------------------------------------------------------------------------- */

static int listen_on_loopback(int *port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* Answers one request with `body`; "GET /slow" after half a second. */
static void answer_one(int fd, const char *body)
{
    char request[4096], answer[256];
    size_t got = 0;
    ssize_t size;
    while ((size = read(fd, request + got, sizeof request - 1 - got)) > 0) {
        request[got += (size_t)size] = '\0';
        if (strstr(request, "\r\n\r\n"))
            break;
    }
    if (got && !strncmp(request, "GET /slow", 9))
        usleep(500000);
    int length = snprintf(answer, sizeof answer,
                          "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                          strlen(body), body);
    if (write(fd, answer, (size_t)length) != length)
        _exit(1);
    close(fd);
}

static pid_t start_origin(int listener, const char *body)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    signal(SIGCHLD, SIG_IGN);
    for (int fd; (fd = accept(listener, NULL, NULL)) != -1 || errno == EINTR;)
        if (fork() == 0) {
            answer_one(fd, body);
            _exit(0);
        } else {
            close(fd);
        }
    _exit(0);
}

/* -- the proxy ------------------------------------------------------------------------------- */

/* Waits for a message with this verb. */
static void expect(int channel, const char *verb, struct bsc_message *message)
{
    bool got = false;
    do {
        struct pollfd ready = { .fd = channel, .events = POLLIN };
        assert_int_equal(poll(&ready, 1, ANSWER_MS), 1);
        assert_int_equal(bsc_channel_receive(channel, message, &got, NULL), BSC_OK);
        if (got && !bsc_message_is(message, verb))
            bsc_message_close_fds(message);
    } while (!got || !bsc_message_is(message, verb));
}

static int control_socket(const struct real *real, unsigned generation)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "%s/%u.sock", real->stage->loop.directory,
             generation);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 4), 0);
    return fd;
}

static int spawn_proxy(struct real *real)
{
    int pair[2];
    char number[16];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    snprintf(number, sizeof number, "%d", pair[1]);
    pid_t pid = fork();
    if (!pid) {
        close(pair[0]);
        execl(getenv("BASCULE_PROXY"), "bascule-proxy", "--channel", number, (char *)NULL);
        _exit(127);
    }
    close(pair[1]);
    real->channels[real->proxy_count] = pair[0];
    real->proxies[real->proxy_count++] = pid;
    return pair[0];
}

/* Starts a generation and announces it to the router; it starts from the snapshot if there is one.
 */
static void arrive(struct real *real, unsigned generation)
{
    struct stage *stage = real->stage;
    struct bsc_message hello;
    int pair[2], channel = spawn_proxy(real), control = control_socket(real, generation);
    assert_int_equal(bsc_channel_send(channel, &control, 1, NULL,
                                      "start generation=%u workers=2 control=1", generation),
                     BSC_OK);
    expect(channel, "hello", &hello);
    assert_int_equal(hello.fd_count, 2);
    assert_int_equal(bsc_channel_send(channel, &real->listener, 1, NULL,
                                      "listen address=127.0.0.1:%d shared=1", real->port),
                     BSC_OK);
    if (stage->snapshot != -1)
        assert_int_equal(bsc_channel_send(channel, &stage->snapshot, 1, NULL, "snapshot id=%u",
                                          (unsigned)stage->snapshot_id),
                         BSC_OK);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    assert_int_equal(bsc_channel_send(channel, &pair[1], 1, NULL, "controller"), BSC_OK);
    int fds[2] = { pair[0], hello.fds[1] };
    assert_int_equal(bsc_channel_send(stage->supervisor, fds, 2, NULL,
                                      "proxy generation=%u pid=%d workers=2 state=current",
                                      generation, (int)real->proxies[generation - 1]),
                     BSC_OK);
    bsc_message_close_fds(&hello);
    close(pair[0]);
    close(pair[1]);
    close(control);
}

static int set_up(void **state)
{
    struct real *real = bsc_alloc(sizeof *real);
    stage_set_up((void **)&real->stage);
    for (unsigned slot = 0; slot < BSC_SLOT_COUNT; slot++) {
        int fd = listen_on_loopback(&real->origin_ports[slot]);
        real->origins[slot] = start_origin(fd, slot == BSC_BLUE ? "blue" : "green");
        close(fd);
    }
    real->listener = listen_on_loopback(&real->port);
    *state = real;
    return 0;
}

static int tear_down(void **state)
{
    struct real *real = *state;
    for (unsigned i = 0; i < real->proxy_count; i++) {
        kill(real->proxies[i], SIGKILL);
        waitpid(real->proxies[i], NULL, 0);
        close(real->channels[i]);
    }
    for (unsigned slot = 0; slot < BSC_SLOT_COUNT; slot++) {
        kill(real->origins[slot], SIGKILL);
        waitpid(real->origins[slot], NULL, 0);
    }
    close(real->listener);
    stage_tear_down((void **)&real->stage);
    free(real);
    return 0;
}

/* -- what is published, what is answered ------------------------------------------------------ */

static void publish(struct real *real, enum bsc_slot live, uint64_t generation, bsc_token token)
{
    static const struct bsc_route route = { .path = "/" };
    char addresses[BSC_SLOT_COUNT][32];
    struct bsc_endpoint endpoints[BSC_SLOT_COUNT] = {
        { .id = "web-blue-0", .slot = BSC_BLUE, .healthy = true },
        { .id = "web-green-0", .slot = BSC_GREEN, .healthy = true },
    };
    for (unsigned slot = 0; slot < BSC_SLOT_COUNT; slot++) {
        snprintf(addresses[slot], sizeof addresses[slot], "127.0.0.1:%d", real->origin_ports[slot]);
        endpoints[slot].address = addresses[slot];
    }
    struct bsc_spec spec = { .name = "web",
                             .routes = &route,
                             .route_count = 1,
                             .traffic = { .connect_ms = 1000,
                                          .answer_ms = 10000,
                                          .idle_ms = 10000,
                                          .hold_ms = 1000,
                                          .hold_max = 10,
                                          .retry = { .attempts = 3, .on = 1 } } };
    struct bsc_routing routing = { .spec = &spec,
                                   .generation = generation,
                                   .endpoints = endpoints,
                                   .endpoint_count = BSC_SLOT_COUNT };
    routing.weight_bp[live] = BSC_WEIGHT_FULL_BP;
    real->stage->port.ops->publish(real->stage->port.self, &routing, token);
}

static int ask(const struct real *real, const char *path)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)real->port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    char request[128];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int size = snprintf(request, sizeof request,
                        "GET %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", path);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(write(fd, request, (size_t)size), size);
    return fd;
}

/* The answer must be 200 with this body. */
static void expect_answer(int fd, const char *body)
{
    char answer[4096];
    size_t got = 0;
    ssize_t size;
    while ((size = read(fd, answer + got, sizeof answer - 1 - got)) > 0)
        got += (size_t)size;
    answer[got] = '\0';
    close(fd);
    assert_int_equal(strncmp(answer, "HTTP/1.1 200", 12), 0);
    assert_non_null(strstr(answer, body));
}

static void after_published_every_request_meets_the_new_slot(void **state)
{
    struct real *real = *state;
    arrive(real, 1);
    publish(real, BSC_BLUE, 1, 1);
    bsc_router_proxy_begin(real->stage->router);
    stage_wait(real->stage, BSC_EVENT_PUBLISHED, 1);
    for (unsigned i = 2; i < 40; i++) {
        enum bsc_slot live = i % 2 ? BSC_BLUE : BSC_GREEN;
        publish(real, live, i, i);
        assert_int_equal(stage_wait(real->stage, BSC_EVENT_PUBLISHED, i)->status, BSC_OK);
        expect_answer(ask(real, "/"), bsc_slot_name(live));
    }
    struct bsc_totals blue, green;
    stage_turn_for(real->stage, 20);
    bsc_router_proxy_totals(real->stage->router, "web", BSC_BLUE, NULL, &blue);
    bsc_router_proxy_totals(real->stage->router, "web", BSC_GREEN, NULL, &green);
    assert_int_equal(blue.requests, 19);
    assert_int_equal(green.requests, 19);
    assert_int_equal(blue.errors + green.errors, 0);
}

static void a_drain_waits_for_a_slow_request(void **state)
{
    struct real *real = *state;
    const char *id = "web-blue-0";
    arrive(real, 1);
    publish(real, BSC_BLUE, 1, 1);
    bsc_router_proxy_begin(real->stage->router);
    stage_wait(real->stage, BSC_EVENT_PUBLISHED, 1);
    int fd = ask(real, "/slow");
    while (!bsc_router_proxy_in_flight(real->stage->router, id))
        stage_turn(real->stage);
    publish(real, BSC_GREEN, 2, 2);
    real->stage->port.ops->drain(real->stage->port.self, &id, 1, 3);
    stage_wait(real->stage, BSC_EVENT_PUBLISHED, 2);
    stage_wait(real->stage, BSC_EVENT_DRAINED, 3);
    struct pollfd answered = { .fd = fd, .events = POLLIN };
    assert_int_equal(poll(&answered, 1, 1000), 1);
    expect_answer(fd, "blue");
    assert_int_equal(bsc_router_proxy_in_flight(real->stage->router, id), 0);
}

static void a_fresh_proxy_serves_from_the_snapshot(void **state)
{
    struct real *real = *state;
    struct bsc_message ready;
    arrive(real, 1);
    publish(real, BSC_GREEN, 1, 1);
    bsc_router_proxy_begin(real->stage->router);
    stage_wait(real->stage, BSC_EVENT_PUBLISHED, 1);
    while (!real->stage->snapshots)
        stage_turn_for(real->stage, 5);
    kill(real->proxies[0], SIGKILL);
    stage_say(real->stage, "proxy-gone generation=1 status=9");
    arrive(real, 2);
    expect(real->channels[1], "ready", &ready); /* the router was not heard yet */
    expect_answer(ask(real, "/"), "green");
    publish(real, BSC_BLUE, 2, 2);
    stage_wait(real->stage, BSC_EVENT_PUBLISHED, 2);
    expect_answer(ask(real, "/"), "blue");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        CASE(after_published_every_request_meets_the_new_slot),
        CASE(a_drain_waits_for_a_slow_request),
        CASE(a_fresh_proxy_serves_from_the_snapshot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
