/* SPDX-License-Identifier: Apache-2.0
 * Finds the end of a head. The verdict on some bytes depends on those bytes only, never on the
 * pieces in which they came. */
#include <string.h>

#include "proxy/bytes.h"
#include "proxy/http1_parts.h"

enum bsc_parse bsc_fault_set(struct bsc_fault *fault, unsigned status, const char *text)
{
    *fault = (struct bsc_fault){ status, text };
    return BSC_PARSE_REFUSED;
}

static enum bsc_parse line_too_long(const struct bsc_head_scan *scan, struct bsc_fault *fault)
{
    return scan->lines == 0 ? bsc_fault_set(fault, 414, "request line longer than 8 KiB")
                            : bsc_fault_set(fault, 431, "field line longer than 8 KiB");
}

/* What is no HTTP/1 is refused at its first bytes: TLS or another protocol on this port should not
 * be waited for. */
static bool begins_like_http(const char *line, size_t size, bool response)
{
    static const char version[] = "HTTP/1.";
    if (!response)
        return size == 0 || bsc_byte_is(*line, BSC_BYTE_TOKEN) || *line == '\r';
    return memcmp(line, version, size < sizeof version - 1 ? size : sizeof version - 1) == 0;
}

enum bsc_parse bsc_head_scan_run(struct bsc_head_scan *scan, const char *bytes, size_t size,
                                 bool response, struct bsc_head *head, struct bsc_fault *fault)
{
    size_t limit = size < BSC_HEAD_BYTES ? size : BSC_HEAD_BYTES;
    for (;;) {
        if (scan->lines == 0 && !begins_like_http(bytes + scan->line, limit - scan->line, response))
            return bsc_fault_set(fault, 400, "does not begin like HTTP");
        const char *newline =
            limit > scan->at ? memchr(bytes + scan->at, '\n', limit - scan->at) : NULL;
        size_t line_end = newline ? (size_t)(newline - bytes) : limit;
        if (line_end - scan->line > BSC_LINE_BYTES + 1) /* 1: the CR */
            return line_too_long(scan, fault);
        if (!newline) {
            scan->at = (uint16_t)limit;
            if (limit == BSC_HEAD_BYTES)
                return bsc_fault_set(fault, 431, "head larger than 32 KiB");
            return BSC_PARSE_MORE;
        }
        if (line_end == scan->line || newline[-1] != '\r')
            return bsc_fault_set(fault, 400, "line ends in LF without CR");
        bool empty = line_end == scan->line + 1u;
        scan->at = scan->line = (uint16_t)(line_end + 1);
        if (!empty) {
            if (scan->lines++ > BSC_HEAD_FIELDS)
                return bsc_fault_set(fault, 431, "more than 100 fields");
        } else if (scan->lines) {
            head->start = bytes[0] == '\r' ? 2 : 0;
            head->bytes = scan->at;
            return BSC_PARSE_DONE;
        } else if (scan->at != 2) {
            return bsc_fault_set(fault, 400, "empty line before the head");
        }
    }
}
