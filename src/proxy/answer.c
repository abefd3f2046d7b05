/* SPDX-License-Identifier: Apache-2.0
 * Answers that the proxy itself gives. */
#include <stdio.h>
#include <string.h>

#include "proxy/bytes.h"
#include "proxy/head.h"
#include "proxy/pages.h"

static const struct {
    unsigned status;
    const char *text;
} statuses[] = {
    { 308, "Permanent Redirect" },
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 408, "Request Timeout" },
    { 413, "Content Too Large" },
    { 414, "URI Too Long" },
    { 417, "Expectation Failed" },
    { 421, "Misdirected Request" },
    { 426, "Upgrade Required" },
    { 429, "Too Many Requests" },
    { 431, "Request Header Fields Too Large" },
    { 500, "Internal Server Error" },
    { 501, "Not Implemented" },
    { 502, "Bad Gateway" },
    { 503, "Service Unavailable" },
    { 504, "Gateway Timeout" },
    { 505, "HTTP Version Not Supported" },
};

const char *bsc_status_text(unsigned status)
{
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (statuses[i].status == status)
            return statuses[i].text;
    return "";
}

enum {
    TEXT_BYTES = 160,                   /* of the sentence, before it is escaped */
    ESCAPED_BYTES = 6 * TEXT_BYTES + 1, /* "&quot;" and "\u001f" are the longest */
    BODY_BYTES = ESCAPED_BYTES + 320,
};

static void escape(char *out, size_t capacity, const char *text, bool json)
{
    size_t used = 0;
    for (size_t i = 0; text[i] && i < TEXT_BYTES && capacity - used > 6; i++) {
        unsigned char byte = (unsigned char)text[i];
        bool special = byte < 0x20 || byte >= 0x7f || strchr(json ? "\"\\" : "&<>\"'", byte);
        used += (size_t)(!special ? snprintf(out + used, capacity - used, "%c", byte)
                         : json   ? snprintf(out + used, capacity - used, "\\u%04x", byte)
                                  : snprintf(out + used, capacity - used, "&#%u;", byte));
    }
    out[used] = '\0';
}

static int build_body(const struct bsc_answer *answer, char body[static BODY_BYTES])
{
    char text[ESCAPED_BYTES];
    const char *title = bsc_status_text(answer->status);
    escape(text, sizeof text, answer->text, answer->json);
    if (answer->json)
        return snprintf(body, BODY_BYTES,
                        "{\"status\":%u,\"title\":\"%s\",\"reason\":\"%.60s\",\"detail\":\"%s\"}\n",
                        answer->status, title, answer->reason, text);
    return snprintf(body, BODY_BYTES,
                    "<!doctype html>\n<html lang=\"en\">\n<title>%u %s</title>\n"
                    "<h1>%u %s</h1>\n<p>%s</p>\n<p><small>bascule: %.60s</small></p>\n</html>\n",
                    answer->status, title, answer->status, title, text, answer->reason);
}

/* The head, for a body of that size. */
static size_t build_head(const struct bsc_answer *answer, size_t body_size, char *out,
                         size_t capacity)
{
    char retry[40] = "";
    if (answer->retry_after_s)
        snprintf(retry, sizeof retry, "Retry-After: %u\r\n", answer->retry_after_s);
    const char *connection = !answer->keep_alive  ? "Connection: close\r\n"
                             : answer->minor == 0 ? "Connection: keep-alive\r\n"
                                                  : "";
    int size = snprintf(out, capacity,
                        "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                        "Cache-Control: no-store\r\nX-Bascule-Reason: %.60s\r\n%s%s%s%s%s\r\n",
                        answer->status, bsc_status_text(answer->status),
                        answer->json ? "application/problem+json" : "text/html; charset=utf-8",
                        body_size, answer->reason, answer->location ? "Location: " : "",
                        answer->location ? answer->location : "", answer->location ? "\r\n" : "",
                        retry, connection);
    return size < 0 || (size_t)size >= capacity ? 0 : (size_t)size;
}

size_t bsc_answer_page_bytes(const struct bsc_answer *answer)
{
    struct bsc_page_words words = { answer->status, answer->reason, answer->request_id,
                                    answer->json };
    return answer->page ? bsc_page_expand(answer->page, &words, NULL, 0) : 0;
}

size_t bsc_answer_build(const struct bsc_answer *answer, char *out, size_t capacity)
{
    char ours[BODY_BYTES];
    struct bsc_page_words words = { answer->status, answer->reason, answer->request_id,
                                    answer->json };
    size_t body = answer->page ? bsc_answer_page_bytes(answer) : (size_t)build_body(answer, ours);
    size_t head = build_head(answer, body, out, capacity);
    if (!head || answer->head)
        return head;
    if (body >= capacity - head)
        return 0;
    if (answer->page)
        bsc_page_expand(answer->page, &words, out + head, body);
    else
        memcpy(out + head, ours, body);
    out[head + body] = '\0';
    return head + body;
}

/* The media type of an element of Accept, without parameters. */
static size_t type_size(const char *element, size_t size)
{
    const char *semicolon = memchr(element, ';', size);
    if (semicolon)
        size = (size_t)(semicolon - element);
    while (size && (element[size - 1] == ' ' || element[size - 1] == '\t'))
        size--;
    return size;
}

bool bsc_request_wants_json(const struct bsc_request *request, const char *bytes)
{
    bool json = false;
    for (size_t i = 0; i < request->head.field_count; i++) {
        const struct bsc_field *field = &request->head.fields[i];
        if (field->id != BSC_FIELD_ACCEPT)
            continue;
        const char *at = bytes + field->value.at, *end = at + field->value.size, *element;
        for (size_t size; bsc_bytes_list_next(&at, end, &element, &size);) {
            size = type_size(element, size);
            if (bsc_bytes_equal(element, size, "text/html", 9) ||
                bsc_bytes_equal(element, size, "application/xhtml+xml", 21))
                return false;
            if (size >= 5 && (bsc_bytes_equal(element + size - 5, 5, "/json", 5) ||
                              bsc_bytes_equal(element + size - 5, 5, "+json", 5)))
                json = true;
        }
    }
    return json;
}
