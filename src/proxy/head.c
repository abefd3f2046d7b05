/* SPDX-License-Identifier: Apache-2.0
 * Builds forwarded heads. Field lines that stay and stand together are copied together; the
 * parsers have validated every byte of them. */
#include "proxy/head.h"

#include <string.h>

#include "proxy/bytes.h"
#include "proxy/forwarded.h"

#define BIT(id) (UINT64_C(1) << (id))

static inline uint64_t bit_if(enum bsc_field_id id, bool condition)
{
    return (uint64_t)condition << id;
}

/* RFC 9110 section 7.6.1, and what is stated anew. */
static const uint64_t ends_here =
    BIT(BSC_FIELD_CONNECTION) | BIT(BSC_FIELD_KEEP_ALIVE) | BIT(BSC_FIELD_PROXY_AUTHENTICATE) |
    BIT(BSC_FIELD_PROXY_AUTHENTICATION_INFO) | BIT(BSC_FIELD_PROXY_AUTHORIZATION) |
    BIT(BSC_FIELD_PROXY_CONNECTION) | BIT(BSC_FIELD_TE) | BIT(BSC_FIELD_UPGRADE) |
    BIT(BSC_FIELD_CONTENT_LENGTH) | BIT(BSC_FIELD_TRANSFER_ENCODING) |
    BIT(BSC_FIELD_X_BASCULE_MIRROR) | BIT(BSC_FIELD_X_BASCULE_REASON);

/* What proxies on the way here say: a trusted one is believed, and what we know is added. */
static const uint64_t appended_to = BIT(BSC_FIELD_FORWARDED) | BIT(BSC_FIELD_X_FORWARDED_FOR);
static const uint64_t said_of_the_way =
    BIT(BSC_FIELD_FORWARDED) | BIT(BSC_FIELD_X_FORWARDED) | BIT(BSC_FIELD_X_FORWARDED_FOR) |
    BIT(BSC_FIELD_X_FORWARDED_HOST) | BIT(BSC_FIELD_X_FORWARDED_PROTO);

/* Where the next byte goes. It is passed by value where a function is not worth inlining, so that
 * it can stay in registers. */
struct writer {
    char *begin, *at;
    size_t room;
    bool full; /* something did not fit */
};

static inline void put(struct writer *writer, const char *bytes, size_t size)
{
    if (size > writer->room) {
        writer->full = true;
        return;
    }
    memcpy(writer->at, bytes, size);
    writer->at += size;
    writer->room -= size;
}

static inline void puts_to(struct writer *writer, const char *text)
{
    put(writer, text, strlen(text));
}

static inline void put_slice(struct writer *writer, const char *bytes, struct bsc_slice slice)
{
    put(writer, bytes + slice.at, slice.size);
}

static inline void put_number(struct writer *writer, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    put(writer, digits + at, sizeof digits - at);
}

static inline void put_line(struct writer *writer, const char *name, const char *value)
{
    puts_to(writer, name);
    puts_to(writer, value);
    puts_to(writer, "\r\n");
}

static inline void put_framing(struct writer *writer, enum bsc_framing framing, uint64_t length)
{
    if (framing == BSC_FRAMING_CHUNKED) {
        puts_to(writer, "Transfer-Encoding: chunked\r\n");
    } else if (framing == BSC_FRAMING_LENGTH) {
        puts_to(writer, "Content-Length: ");
        put_number(writer, length);
        puts_to(writer, "\r\n");
    }
}

/* Copies bytes from `from` on and all field lines but those in `drop`, those that Connection names
 * and, with `drop_aliases`, those that pretend to be others. */
static struct writer put_fields(struct writer writer, const struct bsc_head *head,
                                const char *bytes, size_t from, uint64_t drop, bool drop_aliases)
{
    size_t end = head->bytes - 2u;
    for (size_t i = 0; i < head->field_count; i++) {
        const struct bsc_field *field = &head->fields[i];
        if (!(drop >> field->id & 1) && !field->named && !(field->alias && drop_aliases))
            continue;
        if (field->name.at > from)
            put(&writer, bytes + from, field->name.at - from);
        from = i + 1 < head->field_count ? field[1].name.at : end;
    }
    put(&writer, bytes + from, end - from);
    return writer;
}

static inline void put_request_line(struct writer *writer, const struct bsc_request *request,
                                    const char *bytes)
{
    put_slice(writer, bytes, request->method_name);
    puts_to(writer, " ");
    struct bsc_slice target = request->target;
    if (target.size == 0 && request->method == BSC_METHOD_OPTIONS)
        puts_to(writer, "*"); /* RFC 9112 section 3.2.4 */
    else if (target.size == 0 || bytes[target.at] == '?')
        puts_to(writer, "/");
    put_slice(writer, bytes, target);
    puts_to(writer, " HTTP/1.1\r\n");
}

const struct bsc_field *bsc_request_id(const struct bsc_head *head, const char *bytes)
{
    const struct bsc_field *found = bsc_head_find(head, BSC_FIELD_X_REQUEST_ID);
    if (!found || found->named)
        return NULL;
    for (const struct bsc_field *next = found + 1; next < head->fields + head->field_count; next++)
        if (next->id == BSC_FIELD_X_REQUEST_ID && !next->alias)
            return NULL;
    const char *at = bytes + found->value.at, *end = at + found->value.size;
    if (at == end || end - at > BSC_REQUEST_ID_BYTES)
        return NULL;
    while (at<end && * at> ' ' && *at < 0x7f)
        at++;
    return at == end ? found : NULL;
}

static inline void put_request_connection(struct writer *writer, const struct bsc_request *request,
                                          const char *bytes, bool close)
{
    const struct bsc_head *head = &request->head;
    bool te = head->te_trailers && head->minor == 1;
    if (head->upgrade.size) {
        puts_to(writer, "Upgrade: ");
        put_slice(writer, bytes, head->upgrade);
        puts_to(writer, te ? "\r\nConnection: upgrade, te\r\n" : "\r\nConnection: upgrade\r\n");
    } else if (close) {
        puts_to(writer, te ? "Connection: close, te\r\n" : "Connection: close\r\n");
    } else if (te) {
        puts_to(writer, "Connection: te\r\n");
    }
    if (te)
        puts_to(writer, "TE: trailers\r\n");
}

static size_t finish(struct writer writer)
{
    puts_to(&writer, "\r\n");
    return writer.full ? 0 : (size_t)(writer.at - writer.begin);
}

/* The values of all fields of that kind, each with ", " behind it. */
static inline void put_list(struct writer *writer, const struct bsc_head *head, const char *bytes,
                            enum bsc_field_id id)
{
    if (!bsc_head_has(head, id))
        return;
    for (size_t i = 0; i < head->field_count; i++) {
        const struct bsc_field *field = &head->fields[i];
        if (field->id != id || field->alias || field->named || !field->value.size)
            continue;
        put_slice(writer, bytes, field->value);
        puts_to(writer, ", ");
    }
}

/* RFC 7239: an IPv6 address and a port need quotes. */
static inline void put_forwarded(struct writer *writer, const struct bsc_request *request,
                                 const char *bytes, const struct bsc_forwarding *with)
{
    bool v6 = strchr(with->client, ':') != NULL;
    puts_to(writer, "Forwarded: ");
    if (with->trusted)
        put_list(writer, &request->head, bytes, BSC_FIELD_FORWARDED);
    puts_to(writer, v6 ? "for=\"[" : "for=");
    puts_to(writer, with->client);
    puts_to(writer, v6 ? "]\";proto=" : ";proto=");
    puts_to(writer, with->scheme);
    if (request->authority.size) {
        puts_to(writer, ";host=\"");
        put_slice(writer, bytes, request->authority);
        puts_to(writer, "\"");
    }
    puts_to(writer, "\r\n");
}

static inline void put_way(struct writer *writer, const struct bsc_request *request,
                           const char *bytes, const struct bsc_forwarding *with)
{
    const struct bsc_head *head = &request->head;
    puts_to(writer, "X-Forwarded-For: ");
    if (with->trusted)
        put_list(writer, head, bytes, BSC_FIELD_X_FORWARDED_FOR);
    puts_to(writer, with->client);
    puts_to(writer, "\r\n");
    if (!with->trusted || !bsc_forwarded_field(head, BSC_FIELD_X_FORWARDED_PROTO))
        put_line(writer, "X-Forwarded-Proto: ", with->scheme);
    if (request->authority.size &&
        (!with->trusted || !bsc_forwarded_field(head, BSC_FIELD_X_FORWARDED_HOST))) {
        puts_to(writer, "X-Forwarded-Host: ");
        put_slice(writer, bytes, request->authority);
        puts_to(writer, "\r\n");
    }
    put_forwarded(writer, request, bytes, with);
}

size_t bsc_request_build(const struct bsc_request *request, const char *bytes,
                         const struct bsc_forwarding *with, char *out, size_t capacity)
{
    const struct bsc_head *head = &request->head;
    struct writer writer = { out, out, capacity, false };
    bool keep_id = bsc_request_id(head, bytes) != NULL;
    bool new_trace = with->traceparent && !bsc_traceparent_valid(request, bytes);
    uint64_t drop = ends_here | (with->trusted ? appended_to : said_of_the_way) |
                    bit_if(BSC_FIELD_HOST, request->absolute) |
                    bit_if(BSC_FIELD_EXPECT, !request->expect_continue) |
                    bit_if(BSC_FIELD_TRAILER, head->framing != BSC_FRAMING_CHUNKED) |
                    bit_if(BSC_FIELD_X_REQUEST_ID, !keep_id) |
                    bit_if(BSC_FIELD_TRACEPARENT, new_trace) |
                    bit_if(BSC_FIELD_TRACESTATE, new_trace); /* it belongs to its parent */
    bool verbatim = head->minor == 1 && !request->absolute;
    if (!verbatim)
        put_request_line(&writer, request, bytes);
    if (request->absolute || request->authority.size == 0) {
        puts_to(&writer, "Host: ");
        if (request->absolute)
            put_slice(&writer, bytes, request->authority);
        else
            puts_to(&writer, with->host);
        puts_to(&writer, "\r\n");
    }
    writer = put_fields(writer, head, bytes, verbatim ? head->start : head->fields_at, drop, true);
    put_framing(&writer, head->framing, head->length);
    put_request_connection(&writer, request, bytes, with->close);
    put_way(&writer, request, bytes, with);
    if (with->certificate) {
        puts_to(&writer, "X-Forwarded-Client-Cert: Subject=\"");
        puts_to(&writer, with->certificate);
        puts_to(&writer, "\"\r\n");
    }
    if (new_trace)
        put_line(&writer, "traceparent: ", with->traceparent);
    if (!keep_id)
        put_line(&writer, "X-Request-Id: ", with->request_id);
    return finish(writer);
}

enum bsc_framing bsc_response_framing(const struct bsc_response *response, unsigned minor)
{
    enum bsc_framing framing = response->head.framing;
    if (framing == BSC_FRAMING_CHUNKED || framing == BSC_FRAMING_UNTIL_CLOSE)
        return minor == 0 ? BSC_FRAMING_UNTIL_CLOSE : BSC_FRAMING_CHUNKED;
    return framing;
}

/* Connection and Upgrade for the client. */
static inline void put_response_connection(struct writer *writer,
                                           const struct bsc_response *response, const char *bytes,
                                           const struct bsc_answering *with,
                                           enum bsc_framing framing)
{
    bool close = !with->keep_alive || framing == BSC_FRAMING_UNTIL_CLOSE;
    bool upgrade =
        (response->status == 101 || response->status == 426) && response->head.upgrade.size != 0;
    if (upgrade) {
        puts_to(writer, "Upgrade: ");
        put_slice(writer, bytes, response->head.upgrade);
        puts_to(writer, response->status == 101 || !close ? "\r\nConnection: upgrade\r\n"
                                                          : "\r\nConnection: upgrade, close\r\n");
    } else if (close) {
        puts_to(writer, "Connection: close\r\n");
    } else if (with->minor == 0) {
        puts_to(writer, "Connection: keep-alive\r\n");
    }
}

size_t bsc_response_build(const struct bsc_response *response, const char *bytes,
                          const struct bsc_answering *with, char *out, size_t capacity)
{
    const struct bsc_head *head = &response->head;
    struct writer writer = { out, out, capacity, false };
    enum bsc_framing framing = bsc_response_framing(response, with->minor);
    bool bodiless = response->status < 200 || response->status == 204;
    uint64_t drop = ends_here | bit_if(BSC_FIELD_TRAILER, framing != BSC_FRAMING_CHUNKED);
    size_t from = head->start;
    if (head->minor == 0 || response->reason.size == 0) {
        puts_to(&writer, "HTTP/1.1 ");
        put(&writer, bytes + head->start + 9, 3);
        puts_to(&writer, " ");
        put_slice(&writer, bytes, response->reason);
        puts_to(&writer, "\r\n");
        from = head->fields_at;
    }
    writer = put_fields(writer, head, bytes, from, drop, false);
    /* Of HEAD and 304, the length that a GET would have had. */
    if (framing == BSC_FRAMING_NONE && !bodiless && bsc_head_has(head, BSC_FIELD_CONTENT_LENGTH))
        framing = BSC_FRAMING_LENGTH;
    put_framing(&writer, framing, head->length);
    if (!bsc_response_interim(response))
        put_response_connection(&writer, response, bytes, with, framing);
    if (with->added_size)
        put(&writer, with->added, with->added_size);
    return finish(writer);
}
