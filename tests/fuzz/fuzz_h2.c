/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes what stands between HTTP/2 and HTTP/1.1. The first byte says whether a body follows and
 * how things are cut; then come fields (size of the name, size of the value, both), and behind a
 * size of 255 a body. Must hold: what is written is one head to the strict parser, all of it, or
 * refused, never the beginning of one; what is forwarded of it says the same in HTTP/2; a body is
 * the same after both ways. */
#include <string.h>

#include "must.h"
#include "proxy/h2_body.h"
#include "proxy/h2_fields.h"
#include "proxy/h2_head.h"
#include "proxy/head.h"

static struct bsc_buffers buffers;

static const char *const pseudo[] = { ":method", ":path", ":authority", ":scheme", ":protocol" };
enum { PSEUDO = sizeof pseudo / sizeof *pseudo, BODY = 255 };

/* Takes fields in; false: malformed. */
static bool read_fields(struct bsc_h2_head *head, const uint8_t **at, const uint8_t *end)
{
    while (end - *at > 2 && **at != BODY) {
        size_t name_size = *(*at)++, value_size = *(*at)++;
        const char *name = (const char *)*at;
        if (name_size < PSEUDO) { /* short ones are ours, so that it finds them */
            name = pseudo[name_size];
            name_size = strlen(name);
        } else {
            name_size = name_size < (size_t)(end - *at) ? name_size : (size_t)(end - *at);
            *at += name_size;
        }
        value_size = value_size < (size_t)(end - *at) ? value_size : (size_t)(end - *at);
        if (!bsc_h2_request_field(&buffers, head, name, name_size, (const char *)*at, value_size))
            return false;
        *at += value_size;
    }
    return true;
}

static void check_forwarded(const struct bsc_request *request, const char *text)
{
    static char out[2 * BSC_HEAD_BYTES + BSC_HEAD_ADDED_BYTES];
    static struct bsc_h2_fields fields;
    struct bsc_forwarding with = {
        .client = "192.0.2.1", .scheme = "http", .host = "h", .request_id = "0"
    };
    size_t size = bsc_request_build(request, text, &with, out, sizeof out);
    MUST(size);
    MUST(bsc_h2_request_read(&fields, out, size) == size);
    MUST(fields.framing == request->head.framing && fields.length == request->head.length);
    MUST(fields.nv[0].valuelen == request->method_name.size);
    MUST(!memcmp(fields.nv[0].value, text + request->method_name.at, fields.nv[0].valuelen));
    for (size_t i = 0; i < fields.count; i++)
        MUST(!memchr(fields.nv[i].value, '\n', fields.nv[i].valuelen) &&
             !memchr(fields.nv[i].value, '\r', fields.nv[i].valuelen));
}

static void check_body(const uint8_t *data, size_t size, size_t step)
{
    struct bsc_h2_inbound inbound = { .chunked = true };
    struct bsc_h2_outbound outbound = { 0 };
    char piece[256];
    size_t data_bytes, got, at = 0;
    if (size > BSC_BUFFER_LARGE / 2)
        size = BSC_BUFFER_LARGE / 2;
    bsc_h2_outbound_begin(&outbound, BSC_FRAMING_CHUNKED, 0);
    while (!outbound.complete) {
        size_t next = size - at < step ? size - at : step;
        if (next)
            bsc_h2_inbound_put(&buffers, &inbound, data + at, next);
        at += next;
        inbound.ended = at == size;
        while ((got = bsc_h2_inbound_read(&buffers, &inbound, piece, step, &data_bytes)))
            MUST(bsc_h2_outbound_put(&buffers, &outbound, piece, got) == (ssize_t)got);
    }
    MUST(at == size && bsc_buffer_size(outbound.data) == size && !outbound.trailers);
    MUST(!size || !memcmp(outbound.data->bytes + outbound.data->begin, data, size));
    bsc_buffer_return(&buffers, &outbound.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bsc_h2_head head = { 0 };
    struct bsc_head_scan scan = { 0 };
    static struct bsc_request request;
    struct bsc_fault fault;
    if (size < 1)
        return 0;
    const uint8_t *at = data + 1, *end = data + size;
    bool body = data[0] & 1;
    if (read_fields(&head, &at, end) && bsc_h2_request_end(&buffers, &head, body, "key")) {
        const char *text = head.text->bytes + head.text->begin;
        size_t text_size = bsc_buffer_size(head.text);
        enum bsc_parse parse = bsc_request_parse(&scan, text, text_size, &request, &fault);
        MUST(parse != BSC_PARSE_MORE);
        if (parse == BSC_PARSE_DONE) {
            MUST(request.head.bytes == text_size);
            MUST(head.sized || head.tunnel ||
                 (request.head.framing == BSC_FRAMING_CHUNKED) == body);
            check_forwarded(&request, text);
        }
    }
    bsc_buffer_return(&buffers, &head.text);
    if (at < end)
        check_body(at + 1, (size_t)(end - at - 1), 1 + data[0] / 2);
    return 0;
}
