/* SPDX-License-Identifier: Apache-2.0
 * proxy/h2_fields.c - see h2_fields.h. */
#include "proxy/h2_fields.h"

#include <stdio.h>
#include <string.h>

#include "proxy/bytes.h"

enum { STATUS_AT = 9, STATUS_SIZE = 3 }; /* in "HTTP/1.1 200" */

static void add(struct bsc_h2_fields *fields, const char *name, size_t name_size, const char *value,
                size_t value_size)
{
    if (fields->count == BSC_H2_FIELDS)
        return;
    fields->nv[fields->count++] = (nghttp2_nv){ .name = (uint8_t *)(uintptr_t)name,
                                                .value = (uint8_t *)(uintptr_t)value,
                                                .namelen = name_size,
                                                .valuelen = value_size };
}

/* The end of the line at `at`: its LF, or NULL. */
static const char *line_end(const char *at, const char *end)
{
    return at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
}

static uint64_t number(const char *digits, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value * 10 + (uint64_t)(digits[i] - '0');
    return value;
}

static bool is(const char *name, size_t size, const char *known)
{
    return bsc_bytes_equal(name, size, known, strlen(known));
}

/* Framing and what belongs to one connection (RFC 9113 section 8.2.2) is not passed on. */
static bool passes(struct bsc_h2_fields *fields, const char *name, size_t name_size,
                   const char *value, size_t value_size)
{
    switch (name_size) {
    case 7:
        return !is(name, name_size, "upgrade");
    case 10:
        return !is(name, name_size, "connection") && !is(name, name_size, "keep-alive");
    case 14:
        if (is(name, name_size, "content-length")) {
            fields->framing = BSC_FRAMING_LENGTH;
            fields->length = number(value, value_size);
        }
        return true;
    case 16:
        if (is(name, name_size, "x-bascule-reason")) {
            fields->own = true;
            snprintf(fields->message, sizeof fields->message, "bascule: %.*s", (int)value_size,
                     value);
        }
        return true;
    case 17:
        if (!is(name, name_size, "transfer-encoding"))
            return true;
        fields->framing = BSC_FRAMING_CHUNKED;
        return false;
    default:
        return true;
    }
}

/* Reads field lines up to the empty one; returns where the text goes on. */
static const char *read_lines(struct bsc_h2_fields *fields, const char *at, const char *end)
{
    const char *newline;
    while ((newline = line_end(at, end))) {
        const char *stop = newline > at && newline[-1] == '\r' ? newline - 1 : newline;
        const char *colon = memchr(at, ':', (size_t)(stop - at));
        if (stop == at)
            return newline + 1;
        if (colon) {
            const char *value = colon + 1;
            while (value < stop && (*value == ' ' || *value == '\t'))
                value++;
            while (stop > value && (stop[-1] == ' ' || stop[-1] == '\t'))
                stop--;
            size_t name_size = (size_t)(colon - at), value_size = (size_t)(stop - value);
            if (passes(fields, at, name_size, value, value_size))
                add(fields, at, name_size, value, value_size);
        }
        at = newline + 1;
    }
    return NULL;
}

size_t bsc_h2_response_read(struct bsc_h2_fields *fields, const char *text, size_t size)
{
    const char *end = text + size, *newline = line_end(text, end);
    fields->count = 0;
    fields->framing = BSC_FRAMING_NONE;
    fields->length = 0;
    fields->own = false;
    if (!newline || newline - text < STATUS_AT + STATUS_SIZE)
        return 0;
    fields->status = (unsigned)number(text + STATUS_AT, STATUS_SIZE);
    add(fields, ":status", 7, text + STATUS_AT, STATUS_SIZE);
    const char *body = read_lines(fields, newline + 1, end);
    return body ? (size_t)(body - text) : 0;
}

void bsc_h2_fields_drop(struct bsc_h2_fields *fields, const char *name)
{
    size_t kept = 0;
    for (size_t i = 0; i < fields->count; i++)
        if (!is((const char *)fields->nv[i].name, fields->nv[i].namelen, name))
            fields->nv[kept++] = fields->nv[i];
    fields->count = kept;
}

size_t bsc_h2_request_read(struct bsc_h2_fields *fields, const char *text, size_t size)
{
    enum { AUTHORITY = 3 };
    const char *end = text + size, *newline = line_end(text, end);
    fields->count = 0;
    fields->framing = BSC_FRAMING_NONE;
    fields->length = 0;
    const char *method_end = newline ? memchr(text, ' ', (size_t)(newline - text)) : NULL;
    const char *target = method_end ? method_end + 1 : NULL;
    const char *target_end = target ? memchr(target, ' ', (size_t)(newline - target)) : NULL;
    if (!target_end)
        return 0;
    add(fields, ":method", 7, text, (size_t)(method_end - text));
    add(fields, ":scheme", 7, "http", 4);
    add(fields, ":path", 5, target, (size_t)(target_end - target));
    add(fields, ":authority", 10, "", 0);
    const char *body = read_lines(fields, newline + 1, end);
    for (size_t i = AUTHORITY + 1; i < fields->count; i++)
        if (is((const char *)fields->nv[i].name, fields->nv[i].namelen, "host")) {
            fields->nv[AUTHORITY].value = fields->nv[i].value;
            fields->nv[AUTHORITY].valuelen = fields->nv[i].valuelen;
        }
    bsc_h2_fields_drop(fields, "host");
    return body ? (size_t)(body - text) : 0;
}

void bsc_h2_request_secure(struct bsc_h2_fields *fields)
{
    enum { SCHEME = 1 };
    static const char https[] = "https";
    fields->nv[SCHEME].value = (uint8_t *)(uintptr_t)https;
    fields->nv[SCHEME].valuelen = sizeof https - 1;
}

void bsc_h2_trailers_read(struct bsc_h2_fields *fields, const char *text, size_t size)
{
    fields->count = 0;
    read_lines(fields, text, text + size);
}

/* https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md */
static unsigned grpc_status(unsigned status)
{
    switch (status) {
    case 400:
    case 431:
        return 13; /* INTERNAL */
    case 401:
        return 16; /* UNAUTHENTICATED */
    case 403:
        return 7; /* PERMISSION_DENIED */
    case 404:
        return 12; /* UNIMPLEMENTED */
    case 429:
    case 502:
    case 503:
    case 504:
        return 14; /* UNAVAILABLE */
    default:
        return 2; /* UNKNOWN */
    }
}

void bsc_h2_grpc_answer(struct bsc_h2_fields *fields)
{
    snprintf(fields->grpc_status, sizeof fields->grpc_status, "%u", grpc_status(fields->status));
    fields->count = 0;
    fields->status = 200;
    fields->framing = BSC_FRAMING_NONE;
    add(fields, ":status", 7, "200", 3);
    add(fields, "content-type", 12, "application/grpc", 16);
    add(fields, "grpc-status", 11, fields->grpc_status, strlen(fields->grpc_status));
    add(fields, "grpc-message", 12, fields->message, strlen(fields->message));
}
