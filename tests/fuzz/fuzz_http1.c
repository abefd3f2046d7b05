/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes heads. The first byte chooses request or response and the request's method, the second how
 * the rest is cut. Must hold: pieces and the whole come to one verdict; what is accepted and
 * rebuilt is accepted again and frames, targets and addresses the same. */
#include <stdlib.h>
#include <string.h>

#include "must.h"
#include "proxy/forwarded.h"
#include "proxy/head.h"
#include "proxy/routes.h"

static struct bsc_request request, again;
static struct bsc_response response, response_again;
static char out[BSC_HEAD_BYTES + BSC_HEAD_ADDED_BYTES];

static enum bsc_parse parse(bool is_response, enum bsc_method method, struct bsc_head_scan *scan,
                            const char *bytes, size_t size, struct bsc_fault *fault)
{
    /* A copy of its own size, so that the sanitizer sees a read beyond it. */
    char *copy = malloc(size + !size);
    memcpy(copy, bytes, size);
    enum bsc_parse result = is_response
                                ? bsc_response_parse(scan, copy, size, method, &response, fault)
                                : bsc_request_parse(scan, copy, size, &request, fault);
    free(copy);
    return result;
}

static enum bsc_parse parse_in_pieces(bool is_response, enum bsc_method method, unsigned step,
                                      const char *bytes, size_t size, struct bsc_fault *fault)
{
    struct bsc_head_scan scan = { 0 };
    for (size_t have = 0;; have = have + step < size ? have + step : size) {
        enum bsc_parse result = parse(is_response, method, &scan, bytes, have, fault);
        if (result != BSC_PARSE_MORE || have == size)
            return result;
    }
}

static bool slices_are_equal(const char *a, struct bsc_slice in_a, const char *b,
                             struct bsc_slice in_b)
{
    return in_a.size == in_b.size && memcmp(a + in_a.at, b + in_b.at, in_a.size) == 0;
}

/* With a proxy before us that is trusted: still a request, and the same one. */
static void check_trusting(const char *bytes)
{
    struct bsc_forwarding with = { .client = "2001:db8::7",
                                   .scheme = "http",
                                   .host = "fallback:1",
                                   .request_id = "id",
                                   .trusted = true };
    static const struct bsc_network networks[] = { { { { 0 } }, 1 } };
    struct bsc_head_scan scan = { 0 };
    struct bsc_fault fault;
    struct bsc_ip ip = { { 0 } };
    bsc_forwarded_client(&request, bytes, networks, 1, &ip);
    size_t size = bsc_request_build(&request, bytes, &with, out, sizeof out);
    MUST(size && size <= request.head.bytes + (size_t)BSC_HEAD_ADDED_BYTES);
    enum bsc_parse result = bsc_request_parse(&scan, out, size, &again, &fault);
    if (result == BSC_PARSE_REFUSED && fault.status == 431)
        return;
    MUST(result == BSC_PARSE_DONE && again.head.bytes == size);
    MUST(again.head.framing == request.head.framing && again.head.length == request.head.length);
    MUST(bsc_forwarded_field(&again.head, BSC_FIELD_X_FORWARDED_FOR));
}

static void check_request(const char *bytes)
{
    static const struct bsc_forwarding with = {
        .client = "192.0.2.7",
        .scheme = "http",
        .host = "fallback:1",
        .request_id = "id",
        .traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    };
    check_trusting(bytes);
    struct bsc_head_scan scan = { 0 };
    struct bsc_fault fault;
    size_t size = bsc_request_build(&request, bytes, &with, out, sizeof out);
    MUST(size && size <= request.head.bytes + (size_t)BSC_HEAD_ADDED_BYTES);
    enum bsc_parse result = bsc_request_parse(&scan, out, size, &again, &fault);
    /* What is added may be one field or some bytes too many for our own limits. */
    if (result == BSC_PARSE_REFUSED && fault.status == 431)
        return;
    MUST(result == BSC_PARSE_DONE && again.head.bytes == size && again.head.minor == 1);
    MUST(again.method == request.method && again.replayable == request.replayable);
    MUST(again.head.framing == request.head.framing && again.head.length == request.head.length);
    MUST(again.expect_continue == request.expect_continue && !again.absolute);
    MUST(slices_are_equal(bytes, request.head.upgrade, out, again.head.upgrade));
    if (request.authority.size)
        MUST(slices_are_equal(bytes, request.authority, out, again.authority));
    if (request.target.size && bytes[request.target.at] != '?')
        MUST(slices_are_equal(bytes, request.target, out, again.target));
    unsigned forwarded = 0;
    for (size_t i = 0; i < again.head.field_count; i++) {
        const struct bsc_field *field = &again.head.fields[i];
        MUST(!field->alias);
        forwarded += field->id == BSC_FIELD_X_FORWARDED_FOR ||
                     field->id == BSC_FIELD_X_FORWARDED_HOST ||
                     field->id == BSC_FIELD_X_FORWARDED_PROTO;
        MUST(field->id != BSC_FIELD_X_FORWARDED);
    }
    MUST(forwarded == (request.authority.size ? 3 : 2));
    MUST(bsc_head_has(&again.head, BSC_FIELD_FORWARDED));
    MUST(bsc_traceparent_valid(&again, out));
    MUST(bsc_head_has(&again.head, BSC_FIELD_X_REQUEST_ID));
    bsc_request_wants_json(&request, bytes);
}

static void check_response(const char *bytes, enum bsc_method method)
{
    for (uint8_t minor = 0; minor < 2; minor++) {
        struct bsc_answering with = { .minor = minor, .keep_alive = true };
        struct bsc_head_scan scan = { 0 };
        struct bsc_fault fault;
        size_t size = bsc_response_build(&response, bytes, &with, out, sizeof out);
        MUST(size && size <= response.head.bytes + (size_t)BSC_HEAD_ADDED_BYTES);
        enum bsc_parse result =
            bsc_response_parse(&scan, out, size, method, &response_again, &fault);
        if (result == BSC_PARSE_REFUSED && response.head.field_count >= BSC_HEAD_FIELDS - 2)
            return;
        if (result == BSC_PARSE_REFUSED && response.head.bytes > BSC_HEAD_BYTES - 128)
            return;
        MUST(result == BSC_PARSE_DONE && response_again.head.bytes == size);
        MUST(response_again.status == response.status);
        MUST(response_again.head.framing == bsc_response_framing(&response, minor));
        MUST(response_again.head.length == response.head.length);
    }
}

static void check_route(const char *bytes)
{
    static const struct bsc_routes_rule rules[] = {
        { NULL, "/", 0 },
        { "a", "/api", 1 },
        { "*.b", "/x/y", 2 },
        { "a.b", "/", 3 },
    };
    static struct bsc_routes *routes;
    uint32_t service;
    if (!routes && bsc_routes_create(rules, 4, &routes, NULL) != BSC_OK)
        abort();
    enum bsc_routing routing =
        bsc_routes_find(routes, bytes + request.host.at, request.host.size,
                        bytes + request.target.at, request.target.size, &service);
    MUST(routing != BSC_ROUTING_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    bool is_response = data[0] & 1;
    enum bsc_method method = data[0] & 2 ? BSC_METHOD_HEAD : BSC_METHOD_GET;
    unsigned step = data[1] ? data[1] : 1;
    const char *bytes = (const char *)data + 2;
    size -= 2;
    struct bsc_fault pieces_fault = { 0 }, fault = { 0 };
    enum bsc_parse pieces = parse_in_pieces(is_response, method, step, bytes, size, &pieces_fault);
    struct bsc_head_scan scan = { 0 };
    enum bsc_parse whole = parse(is_response, method, &scan, bytes, size, &fault);
    MUST(pieces == whole && pieces_fault.status == fault.status);
    if (whole != BSC_PARSE_DONE)
        return 0;
    if (is_response) {
        check_response(bytes, method);
    } else {
        check_request(bytes);
        check_route(bytes);
    }
    return 0;
}
