/* SPDX-License-Identifier: Apache-2.0
 * Reads the head of a response (RFC 9112 section 4). */
#include <string.h>

#include "proxy/bytes.h"
#include "proxy/http1_parts.h"

/* "HTTP/1.1 200 OK"; the space after the status may be missing together with the reason, as many
 * servers send it. */
static bool read_line(const char *bytes, size_t size, struct bsc_response *out,
                      struct bsc_fault *fault)
{
    struct bsc_head *head = &out->head;
    const char *at = bytes + head->start, *end = bytes + size;
    bool complete = end - at >= 16 && at[8] == ' ' && bsc_byte_is(at[9], BSC_BYTE_DIGIT) &&
                    bsc_byte_is(at[10], BSC_BYTE_DIGIT) && bsc_byte_is(at[11], BSC_BYTE_DIGIT) &&
                    (at[12] == ' ' || at[12] == '\r');
    if (!complete) {
        bsc_fault_set(fault, 502, "no status line");
        return false;
    }
    if (!bsc_head_read_version(at, &head->minor, fault))
        return false;
    out->status = (uint16_t)((at[9] - '0') * 100 + (at[10] - '0') * 10 + (at[11] - '0'));
    if (out->status < 100 || out->status > 599) {
        bsc_fault_set(fault, 502, "the status is not between 100 and 599");
        return false;
    }
    const char *reason = at[12] == ' ' ? at + 13 : at + 12;
    const char *stop = bsc_bytes_value_end(reason, end - 2);
    if (stop[0] != '\r' || stop[1] != '\n') {
        bsc_fault_set(fault, 502, "control character in the status line");
        return false;
    }
    out->reason = (struct bsc_slice){ (uint16_t)(reason - bytes), (uint16_t)(stop - reason) };
    head->fields_at = (uint16_t)(stop + 2 - bytes);
    return true;
}

/* RFC 9112 section 6.3. A server that announces a body where none can be may send it, so its
 * connection is not used again. */
static void settle_framing(struct bsc_response *out, enum bsc_method method)
{
    struct bsc_head *head = &out->head;
    bool bodiless = out->status < 200 || out->status == 204;
    if (bodiless) {
        if (head->framing == BSC_FRAMING_CHUNKED || head->length > 0)
            head->keep_alive = false;
        head->length = 0;
        head->framing = BSC_FRAMING_NONE;
    } else if (out->status == 304 || method == BSC_METHOD_HEAD) {
        head->framing = BSC_FRAMING_NONE;
    } else if (head->framing == BSC_FRAMING_NONE) {
        head->framing = BSC_FRAMING_UNTIL_CLOSE;
        head->keep_alive = false;
    }
}

static bool read_head(const char *bytes, size_t size, struct bsc_response *out,
                      struct bsc_fault *fault)
{
    if (!read_line(bytes, size, out, fault) ||
        !bsc_head_read_fields(bytes, size, &out->head, fault))
        return false;
    if (out->status == 101 && out->head.upgrade.size == 0) {
        bsc_fault_set(fault, 502, "101 without a proper Upgrade");
        return false;
    }
    return true;
}

static bool read_at_once(const char *bytes, size_t size, struct bsc_response *out)
{
    struct bsc_fault unheard;
    out->head.start = 0;
    return read_head(bytes, size < BSC_HEAD_AT_ONCE_BYTES ? size : BSC_HEAD_AT_ONCE_BYTES, out,
                     &unheard);
}

enum bsc_parse bsc_response_parse(struct bsc_head_scan *scan, const char *bytes, size_t size,
                                  enum bsc_method method, struct bsc_response *out,
                                  struct bsc_fault *fault)
{
    enum bsc_parse found = BSC_PARSE_DONE;
    if (scan->at || !read_at_once(bytes, size, out)) {
        found = bsc_head_scan_run(scan, bytes, size, true, &out->head, fault);
        if (found == BSC_PARSE_DONE && !read_head(bytes, out->head.bytes, out, fault))
            found = BSC_PARSE_REFUSED;
    }
    if (found == BSC_PARSE_REFUSED)
        fault->status = 502;
    if (found == BSC_PARSE_DONE)
        settle_framing(out, method);
    return found;
}
