/* SPDX-License-Identifier: Apache-2.0
 * cli/sse.h - reads a stream of server-sent events (WHATWG HTML, section 9.2.6), in any pieces.
 *
 * Pure. Lines end with LF or CRLF (the lone CR of the standard is not used by the daemon).
 */
#ifndef BASCULE_CLI_SSE_H
#define BASCULE_CLI_SSE_H

#include <stdint.h>

#include "base/text.h"

struct bsc_sse {
    /* `event` is "message" when the stream names none; `data` has its lines joined by LF. */
    void (*on_event)(void *argument, const char *event, const char *data);
    void *argument;
    int64_t last_id; /* of the newest event that had a number as its id; 0: none yet */
    struct bsc_text line, event, data;
};

/* A zeroed struct with on_event set is ready. */
void bsc_sse_feed(struct bsc_sse *sse, const char *bytes, size_t size);
/* Forgets an unfinished event: the connection is a new one. Keeps last_id. */
void bsc_sse_restart(struct bsc_sse *sse);
void bsc_sse_deinit(struct bsc_sse *sse);

#endif
