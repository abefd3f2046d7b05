/* SPDX-License-Identifier: Apache-2.0
 * Reads the head of a request (RFC 9112 section 3). */
#include <arpa/inet.h>
#include <string.h>

#include "proxy/bytes.h"
#include "proxy/http1_parts.h"

struct method {
    const char *name;
    enum bsc_method id;
    bool idempotent;
};

enum { LONGEST_METHOD = 7, METHODS_OF_A_LENGTH = 2 };
static const struct method methods[LONGEST_METHOD + 1][METHODS_OF_A_LENGTH] = {
    [3] = { { "GET", BSC_METHOD_GET, true }, { "PUT", BSC_METHOD_PUT, true } },
    [4] = { { "POST", BSC_METHOD_POST, false }, { "HEAD", BSC_METHOD_HEAD, true } },
    [5] = { { "PATCH", BSC_METHOD_PATCH, false }, { "TRACE", BSC_METHOD_TRACE, true } },
    [6] = { { "DELETE", BSC_METHOD_DELETE, true } },
    [7] = { { "OPTIONS", BSC_METHOD_OPTIONS, true }, { "CONNECT", BSC_METHOD_CONNECT, false } },
};

static void read_method(const char *name, size_t size, struct bsc_request *out)
{
    out->method = BSC_METHOD_OTHER;
    out->idempotent = false;
    if (size > LONGEST_METHOD)
        return;
    for (size_t i = 0; i < METHODS_OF_A_LENGTH && methods[size][i].name; i++) {
        if (memcmp(name, methods[size][i].name, size) == 0) {
            out->method = (uint8_t)methods[size][i].id;
            out->idempotent = methods[size][i].idempotent;
            return;
        }
    }
}

bool bsc_head_read_version(const char *at, uint8_t *minor, struct bsc_fault *fault)
{
    if (memcmp(at, "HTTP/", 5) != 0 || !bsc_byte_is(at[5], BSC_BYTE_DIGIT) || at[6] != '.' ||
        !bsc_byte_is(at[7], BSC_BYTE_DIGIT)) {
        bsc_fault_set(fault, 400, "the version is not HTTP/1.1");
        return false;
    }
    if (at[5] != '1' || at[7] > '1') {
        bsc_fault_set(fault, 505, "neither HTTP/1.1 nor HTTP/1.0");
        return false;
    }
    *minor = (uint8_t)(at[7] - '0');
    return true;
}

/* Method, target and version; each separated by one space. */
static bool read_line(const char *bytes, size_t size, struct bsc_request *out,
                      struct bsc_fault *fault)
{
    struct bsc_head *head = &out->head;
    const char *begin = bytes + head->start, *end = bytes + size;
    const char *method_end = bsc_bytes_run(begin, end - 2, BSC_BYTE_TOKEN);
    if (method_end == begin || *method_end != ' ') {
        bsc_fault_set(fault, 400, "invalid method");
        return false;
    }
    const char *target = method_end + 1;
    const char *target_end = bsc_bytes_run(target, end - 2, BSC_BYTE_TARGET);
    if (target_end == target || *target_end != ' ') {
        bsc_fault_set(fault, 400, "invalid request target");
        return false;
    }
    const char *version = target_end + 1;
    if (end - version < 10 || version[8] != '\r' || version[9] != '\n') {
        bsc_fault_set(fault, 400, "the version is not HTTP/1.1");
        return false;
    }
    if (!bsc_head_read_version(version, &head->minor, fault))
        return false;
    out->method_name = (struct bsc_slice){ head->start, (uint16_t)(method_end - begin) };
    out->target = (struct bsc_slice){ (uint16_t)(target - bytes), (uint16_t)(target_end - target) };
    head->fields_at = (uint16_t)(version + 10 - bytes);
    read_method(begin, out->method_name.size, out);
    return true;
}

static bool is_ipv6(const char *text, size_t size)
{
    char address[INET6_ADDRSTRLEN];
    struct in6_addr parsed;
    if (size >= sizeof address)
        return false;
    memcpy(address, text, size);
    address[size] = '\0';
    return inet_pton(AF_INET6, address, &parsed) == 1;
}

enum { HOST_MAX = 255 }; /* a name has at most 253 bytes (RFC 1035), and a dot at its end */

/* One dot at the end is the root's and allowed. */
static bool has_empty_label(const char *begin, const char *end)
{
    if (*begin == '.')
        return true;
    for (const char *at = begin + 1; at < end; at++)
        if (at[0] == '.' && at[-1] == '.')
            return true;
    return false;
}

bool bsc_authority_read(const char *bytes, struct bsc_slice authority, struct bsc_slice *host,
                        int *port)
{
    const char *begin = bytes + authority.at, *end = begin + authority.size;
    const char *host_end;
    if (begin < end && *begin == '[') {
        const char *close = memchr(begin, ']', authority.size);
        if (!close || !is_ipv6(begin + 1, (size_t)(close - begin - 1)))
            return false;
        host_end = close + 1;
    } else {
        host_end = bsc_bytes_run(begin, end, BSC_BYTE_HOST);
        if (host_end == begin || has_empty_label(begin, host_end))
            return false;
    }
    *host = (struct bsc_slice){ authority.at, (uint16_t)(host_end - begin) };
    *port = -1;
    if (host_end - begin > HOST_MAX)
        return false;
    if (host_end == end)
        return true;
    const char *digits = host_end + 1;
    if (*host_end != ':' || digits == end || end - digits > 5 ||
        bsc_bytes_run(digits, end, BSC_BYTE_DIGIT) != end)
        return false;
    *port = 0;
    for (const char *at = digits; at < end; at++)
        *port = *port * 10 + (*at - '0');
    return *port <= UINT16_MAX;
}

/* The length of "http://" or "https://" at the beginning of the target, 0 when it has neither. */
static unsigned scheme_size(const char *target, size_t size, int *default_port)
{
    if (size > 7 && bsc_bytes_equal(target, 7, "http://", 7)) {
        *default_port = 80;
        return 7;
    }
    if (size > 8 && bsc_bytes_equal(target, 8, "https://", 8)) {
        *default_port = 443;
        return 8;
    }
    return 0;
}

/* Takes the absolute form apart: out->authority is the one in the target, out->target what follows.
 * A Host that names another place than the target is refused: somebody behind us may look there. */
static BSC_COLD const char *read_absolute(const char *bytes, const struct bsc_field *host,
                                          struct bsc_request *out)
{
    int default_port = 0, port, host_port;
    unsigned skip = scheme_size(bytes + out->target.at, out->target.size, &default_port);
    if (!skip)
        return "invalid request target";
    const char *begin = bytes + out->target.at + skip;
    const char *end = bytes + out->target.at + out->target.size, *stop = begin;
    while (stop < end && *stop != '/' && *stop != '?')
        stop++;
    out->absolute = true;
    out->authority = (struct bsc_slice){ (uint16_t)(begin - bytes), (uint16_t)(stop - begin) };
    out->target = (struct bsc_slice){ (uint16_t)(stop - bytes), (uint16_t)(end - stop) };
    if (!bsc_authority_read(bytes, out->authority, &out->host, &port))
        return "invalid host in the request target";
    if (!host)
        return NULL;
    struct bsc_slice named;
    if (!bsc_authority_read(bytes, host->value, &named, &host_port))
        return "invalid Host";
    if (!bsc_bytes_equal(bytes + named.at, named.size, bytes + out->host.at, out->host.size) ||
        (port < 0 ? default_port : port) != (host_port < 0 ? default_port : host_port))
        return "Host differs from the request target";
    return NULL;
}

/* RFC 9112 sections 3.2 and 3.3. */
static const char *read_target(const char *bytes, struct bsc_request *out)
{
    const struct bsc_field *host = bsc_head_find(&out->head, BSC_FIELD_HOST);
    out->absolute = false;
    out->authority = out->host = (struct bsc_slice){ 0, 0 };
    if (!host && out->head.minor == 1)
        return "Host is missing";
    char first = bytes[out->target.at];
    bool asterisk = first == '*' && out->target.size == 1 && out->method == BSC_METHOD_OPTIONS;
    if (first != '/' && !asterisk)
        return read_absolute(bytes, host, out);
    int port;
    if (host && !bsc_authority_read(bytes, host->value, &out->host, &port))
        return "invalid Host";
    if (host)
        out->authority = host->value;
    return NULL;
}

/* RFC 9110 section 10.1.1. HTTP/1.0 does not know Expect. */
static bool read_expect(const char *bytes, struct bsc_request *out, struct bsc_fault *fault)
{
    const struct bsc_head *head = &out->head;
    out->expect_continue = false;
    if (!bsc_head_has(head, BSC_FIELD_EXPECT) || head->minor == 0)
        return true;
    for (size_t i = 0; i < head->field_count; i++) {
        const struct bsc_slice value = head->fields[i].value;
        if (head->fields[i].id != BSC_FIELD_EXPECT)
            continue;
        if (!bsc_bytes_equal(bytes + value.at, value.size, "100-continue", 12)) {
            bsc_fault_set(fault, 417, "Expect is not 100-continue");
            return false;
        }
    }
    out->expect_continue = head->framing == BSC_FRAMING_CHUNKED || head->length > 0;
    return true;
}

static bool read_head(const char *bytes, size_t size, struct bsc_request *out,
                      struct bsc_fault *fault)
{
    return read_line(bytes, size, out, fault) &&
           bsc_head_read_fields(bytes, size, &out->head, fault);
}

static bool read_at_once(const char *bytes, size_t size, struct bsc_request *out)
{
    struct bsc_fault unheard;
    out->head.start = 0;
    return size >= 2 &&
           read_head(bytes, size < BSC_HEAD_AT_ONCE_BYTES ? size : BSC_HEAD_AT_ONCE_BYTES, out,
                     &unheard);
}

enum bsc_parse bsc_request_parse(struct bsc_head_scan *scan, const char *bytes, size_t size,
                                 struct bsc_request *out, struct bsc_fault *fault)
{
    if (scan->at || !read_at_once(bytes, size, out)) {
        enum bsc_parse found = bsc_head_scan_run(scan, bytes, size, false, &out->head, fault);
        if (found != BSC_PARSE_DONE)
            return found;
        if (!read_head(bytes, out->head.bytes, out, fault))
            return BSC_PARSE_REFUSED;
    }
    if (out->method == BSC_METHOD_CONNECT || out->method == BSC_METHOD_TRACE)
        return bsc_fault_set(fault, 501, "neither CONNECT nor TRACE is done here");
    const char *why = read_target(bytes, out);
    if (why)
        return bsc_fault_set(fault, 400, why);
    if (!read_expect(bytes, out, fault))
        return BSC_PARSE_REFUSED;
    bool body = out->head.framing == BSC_FRAMING_CHUNKED || out->head.length > 0;
    out->replayable = out->idempotent && !body;
    if (body)
        out->head.upgrade.size = 0; /* where the body ends and the tunnel begins is in doubt */
    return BSC_PARSE_DONE;
}
