/* SPDX-License-Identifier: Apache-2.0
 * Measures the wire layer, one thread, CPU time: `meson compile bench_http1 && bench_http1`. Not a
 * test: absolute times say nothing about another machine. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "proxy/chunked.h"
#include "proxy/head.h"
#include "proxy/routes.h"

enum { ROUNDS = 200000 };

static const char small[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";
static const char browser[] =
    "GET /products/1234/details?color=blue&size=m HTTP/1.1\r\n"
    "Host: shop.example\r\n"
    "Connection: keep-alive\r\n"
    "Cache-Control: max-age=0\r\n"
    "sec-ch-ua: \"Chromium\";v=\"124\", \"Not-A.Brand\";v=\"99\"\r\n"
    "sec-ch-ua-mobile: ?0\r\n"
    "sec-ch-ua-platform: \"Linux\"\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/124.0.0.0 Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n"
    "Sec-Fetch-Site: same-origin\r\n"
    "Sec-Fetch-Mode: navigate\r\n"
    "Referer: https://shop.example/products/1233/details\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Accept-Language: fr-FR,fr;q=0.9,en;q=0.8\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=1\r\n\r\n";
static const char answer[] = "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\n"
                             "Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
                             "Content-Type: text/plain\r\nContent-Length: 100\r\n"
                             "Connection: keep-alive\r\n\r\n";

static struct bsc_request request;
static struct bsc_response response;
static char out[BSC_HEAD_BYTES + BSC_HEAD_ADDED_BYTES];
static volatile size_t sink;

static double now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void parse(const char *bytes, size_t size)
{
    struct bsc_head_scan scan = { 0 };
    struct bsc_fault fault;
    sink = bsc_request_parse(&scan, bytes, size, &request, &fault);
}

static void build(const char *bytes, size_t size)
{
    static const struct bsc_forwarding with = { .client = "192.0.2.7",
                                                .scheme = "http",
                                                .request_id = "0123456789abcdef" };
    (void)size;
    sink = bsc_request_build(&request, bytes, &with, out, sizeof out);
}

static void parse_answer(const char *bytes, size_t size)
{
    struct bsc_head_scan scan = { 0 };
    struct bsc_fault fault;
    sink = bsc_response_parse(&scan, bytes, size, BSC_METHOD_GET, &response, &fault);
}

static void build_answer(const char *bytes, size_t size)
{
    static const struct bsc_answering with = { .minor = 1, .keep_alive = true };
    (void)size;
    sink = bsc_response_build(&response, bytes, &with, out, sizeof out);
}

static struct bsc_routes *routes;

static void route(const char *bytes, size_t size)
{
    uint32_t service;
    (void)size;
    sink = bsc_routes_find(routes, bytes + request.host.at, request.host.size,
                           bytes + request.target.at, request.target.size, &service);
}

static void measure(const char *what, void (*work)(const char *, size_t), const char *bytes,
                    size_t size)
{
    double best = 1e18;
    for (int try = 0; try < 5; try++) {
        double begin = now_ns();
        for (int i = 0; i < ROUNDS; i++)
            work(bytes, size);
        double each = (now_ns() - begin) / ROUNDS;
        best = each < best ? each : best;
    }
    printf("%-40s %7.1f ns\n", what, best);
}

static void create_routes(void)
{
    static struct bsc_routes_rule rules[10002];
    static char hosts[10000][24];
    struct bsc_error error;
    for (uint32_t i = 0; i < 10000; i++) {
        snprintf(hosts[i], sizeof hosts[i], "s%u.example", i);
        rules[i] = (struct bsc_routes_rule){ hosts[i], "/", i };
    }
    rules[10000] = (struct bsc_routes_rule){ "shop.example", "/", 10000 };
    rules[10001] = (struct bsc_routes_rule){ "shop.example", "/products", 10001 };
    if (bsc_routes_create(rules, 10002, &routes, &error) != BSC_OK)
        printf("%s\n", error.text);
}

int main(void)
{
    create_routes();
    measure("read a request of wrk", parse, small, sizeof small - 1);
    measure("build it for the upstream", build, small, sizeof small - 1);
    measure("read a browser's request", parse, browser, sizeof browser - 1);
    measure("build it for the upstream", build, browser, sizeof browser - 1);
    measure("find its service among 10,000", route, browser, sizeof browser - 1);
    measure("read a response", parse_answer, answer, sizeof answer - 1);
    measure("build it for the client", build_answer, answer, sizeof answer - 1);
    bsc_routes_destroy(routes);
    return 0;
}
