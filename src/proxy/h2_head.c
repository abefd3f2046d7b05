/* SPDX-License-Identifier: Apache-2.0
 * Fields of HTTP/2, written as the head of an HTTP/1.1 request. */
#include "proxy/h2_head.h"

#include <string.h>

#include "proxy/bytes.h"

enum {
    TEXT_BYTES = BSC_HEAD_BYTES + 1024, /* where a head is cut; the parser refuses it before */
    PSEUDO_BYTES = BSC_LINE_BYTES + 64, /* the same for a line */
    WORD_BYTES = 64                     /* a method, a scheme, a protocol */
};

static struct bsc_buffer *room(struct bsc_buffers *buffers, struct bsc_buffer **text, size_t size)
{
    struct bsc_buffer *old = *text;
    if (old && old->capacity - old->end >= size)
        return old;
    size_t wanted = (old ? old->end : 0) + size;
    struct bsc_buffer *larger = bsc_buffer_lend(buffers, wanted);
    if (old) {
        memcpy(larger->bytes, old->bytes, old->end);
        larger->begin = old->begin;
        larger->end = old->end;
        bsc_buffer_return(buffers, text);
    }
    return *text = larger;
}

/* How many of `size` bytes more are not cut. */
static size_t uncut(const struct bsc_buffer *text, size_t size)
{
    size_t left = TEXT_BYTES - bsc_buffer_size(text);
    return size < left ? size : left;
}

static void put(struct bsc_buffers *buffers, struct bsc_buffer **text, const char *bytes,
                size_t size)
{
    size = uncut(*text, size);
    struct bsc_buffer *buffer = room(buffers, text, size);
    memcpy(buffer->bytes + buffer->end, bytes, size);
    buffer->end += (uint32_t)size;
}

static void puts_to(struct bsc_buffers *buffers, struct bsc_buffer **text, const char *string)
{
    put(buffers, text, string, strlen(string));
}

static void put_line(struct bsc_buffers *buffers, struct bsc_buffer **text, const char *name,
                     size_t name_size, const char *value, size_t value_size)
{
    put(buffers, text, name, name_size);
    put(buffers, text, ": ", 2);
    put(buffers, text, value, value_size);
    put(buffers, text, "\r\n", 2);
}

static bool same(const char *name, size_t size, const char *known)
{
    return strlen(known) == size && memcmp(name, known, size) == 0;
}

/* Writes a piece of the text, which may move while it grows. */
static void put_slice(struct bsc_buffers *buffers, struct bsc_h2_head *head, struct bsc_slice slice)
{
    size_t size = uncut(head->text, slice.size);
    struct bsc_buffer *buffer = room(buffers, &head->text, size);
    memcpy(buffer->bytes + buffer->end, buffer->bytes + slice.at, size);
    buffer->end += (uint32_t)size;
}

static bool keep(struct bsc_buffers *buffers, struct bsc_h2_head *head, struct bsc_slice *slice,
                 const char *value, size_t size, size_t at_most)
{
    uint32_t end = head->text ? head->text->end : 0;
    if (slice->size || !size || head->begun)
        return false;
    if (size > at_most)
        size = at_most;
    *slice = (struct bsc_slice){ (uint16_t)end, (uint16_t)size };
    put(buffers, &head->text, value, size);
    return true;
}

static bool clean(const char *value, size_t size, unsigned classes)
{
    return bsc_bytes_run(value, value + size, classes) == value + size;
}

static bool pseudo(struct bsc_buffers *buffers, struct bsc_h2_head *head, const char *name,
                   size_t name_size, const char *value, size_t size)
{
    if (same(name, name_size, ":method")) {
        head->is_head = same(value, size, "HEAD");
        return clean(value, size, BSC_BYTE_TOKEN) &&
               keep(buffers, head, &head->method, value, size, WORD_BYTES);
    }
    if (same(name, name_size, ":path"))
        return size && (*value == '/' || same(value, size, "*")) &&
               clean(value, size, BSC_BYTE_TARGET) &&
               keep(buffers, head, &head->path, value, size, PSEUDO_BYTES);
    if (same(name, name_size, ":authority"))
        return clean(value, size, BSC_BYTE_TARGET) &&
               keep(buffers, head, &head->authority, value, size, PSEUDO_BYTES);
    if (same(name, name_size, ":scheme"))
        return clean(value, size, BSC_BYTE_TARGET) &&
               keep(buffers, head, &head->scheme, value, size, WORD_BYTES);
    if (same(name, name_size, ":protocol"))
        return clean(value, size, BSC_BYTE_TOKEN) &&
               keep(buffers, head, &head->protocol, value, size, WORD_BYTES);
    return false;
}

/* Pseudo fields come first, so the first line can be written when they are over. They stay where
 * they were collected, in front of it. */
static bool begin_request(struct bsc_buffers *buffers, struct bsc_h2_head *head)
{
    if (head->begun)
        return true;
    if (!head->method.size)
        return false;
    const char *text = head->text->bytes;
    bool connect = same(text + head->method.at, head->method.size, "CONNECT");
    head->tunnel = connect && head->protocol.size;
    if (connect && !head->tunnel ? !head->authority.size : !head->path.size)
        return false;
    if (head->tunnel && !same(text + head->protocol.at, head->protocol.size, "websocket"))
        head->tunnel = false; /* stays a CONNECT, which is refused */
    head->text->begin = head->text->end;
    if (head->tunnel)
        puts_to(buffers, &head->text, "GET");
    else
        put_slice(buffers, head, head->method);
    puts_to(buffers, &head->text, " ");
    put_slice(buffers, head, head->path.size ? head->path : head->authority);
    puts_to(buffers, &head->text, " HTTP/1.1\r\n");
    if (head->authority.size) {
        puts_to(buffers, &head->text, "Host: ");
        put_slice(buffers, head, head->authority);
        puts_to(buffers, &head->text, "\r\n");
    }
    head->begun = true;
    return true;
}

/* RFC 9113 section 8.2.1. */
static bool well_formed(const char *name, size_t name_size, const char *value, size_t value_size)
{
    if (!name_size || !clean(name, name_size, BSC_BYTE_TOKEN))
        return false;
    for (size_t i = 0; i < name_size; i++)
        if (name[i] >= 'A' && name[i] <= 'Z')
            return false;
    return bsc_bytes_value_end(value, value + value_size) == value + value_size;
}

/* RFC 9113 section 8.2.2. */
static bool of_connection(const char *name, size_t size)
{
    switch (size) {
    case 7:
        return same(name, size, "upgrade");
    case 10:
        return same(name, size, "connection") || same(name, size, "keep-alive");
    case 16:
        return same(name, size, "proxy-connection");
    case 17:
        return same(name, size, "transfer-encoding");
    default:
        return false;
    }
}

/* Crumbs become one field again (RFC 9113 section 8.2.3). */
static void put_cookie(struct bsc_buffers *buffers, struct bsc_h2_head *head, const char *value,
                       size_t size)
{
    if (!head->cookie_end) {
        put_line(buffers, &head->text, "cookie", 6, value, size);
        head->cookie_end = head->text->end - 2;
        return;
    }
    uint32_t behind = head->text->end - head->cookie_end;
    if (uncut(head->text, size + 2) < size + 2) { /* too large in any case */
        put(buffers, &head->text, value, size);
        return;
    }
    struct bsc_buffer *text = room(buffers, &head->text, size + 2);
    char *at = text->bytes + head->cookie_end;
    memmove(at + size + 2, at, behind);
    at[0] = ';';
    at[1] = ' ';
    memcpy(at + 2, value, size);
    text->end += (uint32_t)size + 2;
    head->cookie_end += (uint32_t)size + 2;
}

static bool is_grpc(const char *value, size_t size)
{
    static const char grpc[] = "application/grpc";
    return size >= sizeof grpc - 1 && memcmp(value, grpc, sizeof grpc - 1) == 0;
}

bool bsc_h2_request_field(struct bsc_buffers *buffers, struct bsc_h2_head *head, const char *name,
                          size_t name_size, const char *value, size_t value_size)
{
    head->list_bytes += (uint32_t)(name_size + value_size + 32);
    if (head->list_bytes > BSC_H2_LIST_BYTES)
        return false;
    if (name_size && *name == ':')
        return pseudo(buffers, head, name, name_size, value, value_size);
    if (!well_formed(name, name_size, value, value_size) || of_connection(name, name_size) ||
        !begin_request(buffers, head))
        return false;
    if (same(name, name_size, "te") && !same(value, value_size, "trailers"))
        return false;
    if (same(name, name_size, "cookie")) {
        put_cookie(buffers, head, value, value_size);
        return true;
    }
    if (same(name, name_size, "host") && head->authority.size &&
        bsc_bytes_equal(value, value_size, head->text->bytes + head->authority.at,
                        head->authority.size))
        return true; /* one that differs makes two, which the parser refuses */
    if (same(name, name_size, "content-length"))
        head->sized = true;
    if (same(name, name_size, "content-type"))
        head->grpc = is_grpc(value, value_size);
    put_line(buffers, &head->text, name, name_size, value, value_size);
    return true;
}

bool bsc_h2_request_end(struct bsc_buffers *buffers, struct bsc_h2_head *head, bool body,
                        const char *key)
{
    if (!begin_request(buffers, head))
        return false;
    const char *method = head->text->bytes + head->method.at;
    size_t size = head->method.size;
    if (head->tunnel) {
        puts_to(buffers, &head->text, "Upgrade: websocket\r\nConnection: Upgrade\r\n");
        put_line(buffers, &head->text, "Sec-WebSocket-Key", 17, key, strlen(key));
    } else if (body && !head->sized) {
        puts_to(buffers, &head->text, "Transfer-Encoding: chunked\r\n");
    } else if (!head->sized && /* RFC 9110 section 8.6 */
               (same(method, size, "POST") || same(method, size, "PUT") ||
                same(method, size, "PATCH"))) {
        puts_to(buffers, &head->text, "Content-Length: 0\r\n");
    }
    puts_to(buffers, &head->text, "\r\n");
    return true;
}

static bool begin_response(struct bsc_buffers *buffers, struct bsc_h2_head *head, const char *value,
                           size_t size)
{
    if (head->begun || size != 3 || !clean(value, size, BSC_BYTE_DIGIT))
        return false;
    head->status = (uint16_t)((value[0] - '0') * 100 + (value[1] - '0') * 10 + (value[2] - '0'));
    head->begun = true;
    head->sized = false;
    puts_to(buffers, &head->text, "HTTP/1.1 ");
    put(buffers, &head->text, value, size);
    puts_to(buffers, &head->text, " \r\n");
    return head->status != 101; /* RFC 9113 section 8.6 */
}

bool bsc_h2_response_field(struct bsc_buffers *buffers, struct bsc_h2_head *head, const char *name,
                           size_t name_size, const char *value, size_t value_size)
{
    head->list_bytes += (uint32_t)(name_size + value_size + 32);
    if (head->list_bytes > BSC_H2_LIST_BYTES)
        return false;
    if (same(name, name_size, ":status"))
        return begin_response(buffers, head, value, value_size);
    if (!head->begun || !well_formed(name, name_size, value, value_size) ||
        of_connection(name, name_size))
        return false;
    if (same(name, name_size, "content-length"))
        head->sized = true;
    put_line(buffers, &head->text, name, name_size, value, value_size);
    return true;
}

bool bsc_h2_response_end(struct bsc_buffers *buffers, struct bsc_h2_head *head, bool body)
{
    if (!head->begun)
        return false;
    bool bodiless =
        head->is_head || head->status < 200 || head->status == 204 || head->status == 304;
    if (!bodiless && !head->sized)
        puts_to(buffers, &head->text,
                body ? "Transfer-Encoding: chunked\r\n" : "Content-Length: 0\r\n");
    puts_to(buffers, &head->text, "\r\n");
    head->begun = false;
    return true;
}

bool bsc_h2_trailer_field(struct bsc_buffers *buffers, struct bsc_buffer **text, const char *name,
                          size_t name_size, const char *value, size_t value_size)
{
    if (!well_formed(name, name_size, value, value_size) || of_connection(name, name_size))
        return false;
    put_line(buffers, text, name, name_size, value, value_size);
    return true;
}
