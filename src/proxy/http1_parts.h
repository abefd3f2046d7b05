/* SPDX-License-Identifier: Apache-2.0
 * proxy/http1_parts.h - what the readers of requests and of responses share. For http1_*.c only.
 */
#ifndef BASCULE_PROXY_HTTP1_PARTS_H
#define BASCULE_PROXY_HTTP1_PARTS_H

#include "base/error.h"
#include "proxy/http1.h"

BSC_COLD enum bsc_parse bsc_fault_set(struct bsc_fault *fault, unsigned status, const char *text);

/* Goes on searching for the end of a head; DONE: head->start and head->bytes are set, every line
 * ends in CRLF and keeps its limits. */
enum bsc_parse bsc_head_scan_run(struct bsc_head_scan *scan, const char *bytes, size_t size,
                                 bool response, struct bsc_head *head, struct bsc_fault *fault);

/* A head no larger than that keeps every limit but that of its fields, which is looked at where
 * they are read: when it arrives whole and is in order it is read at once, and nothing is searched
 * first. Whatever else arrives is scanned, and judged when its end is found; so readers are given
 * bytes that may end anywhere, and are not believed when they refuse those. */
enum { BSC_HEAD_AT_ONCE_BYTES = BSC_LINE_BYTES };

/* Reads the field lines from head->fields_at to the empty one, and what Connection,
 * Transfer-Encoding, Content-Length, TE and Upgrade say; needs head->minor. Sets head->bytes, and
 * the framing to NONE, LENGTH or CHUNKED. False: *fault is set. */
bool bsc_head_read_fields(const char *bytes, size_t size, struct bsc_head *head,
                          struct bsc_fault *fault);

/* Reads "HTTP/1.0" or "HTTP/1.1" at `at`, where 8 bytes can be read. */
bool bsc_head_read_version(const char *at, uint8_t *minor, struct bsc_fault *fault);

/* Splits and validates host[:port] (RFC 3986 section 3.2, without user information). *port is -1
 * when there is none. */
bool bsc_authority_read(const char *bytes, struct bsc_slice authority, struct bsc_slice *host,
                        int *port);

#endif
