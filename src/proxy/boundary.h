/* SPDX-License-Identifier: Apache-2.0
 * proxy/boundary.h - where a stream can be ended without breaking what it carries: between two
 * frames of WebSocket (RFC 6455 section 5.2), or behind the empty line that ends an event
 * (text/event-stream). Pure; it watches what passes and, when asked to stop, lets nothing pass
 * beyond the next such place.
 */
#ifndef BASCULE_PROXY_BOUNDARY_H
#define BASCULE_PROXY_BOUNDARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum bsc_boundary_kind { BSC_BOUNDARY_FRAMES, BSC_BOUNDARY_EVENTS };

/* Zeroed but for its kind: at the beginning of the stream, which is such a place. */
struct bsc_boundary {
    uint8_t kind;
    bool stop;         /* set by the caller: nothing passes beyond the next place */
    bool reached;      /* it was asked to stop, and nothing more passes */
    bool closed;       /* FRAMES: a close frame passed, whole */
    bool begun;        /* EVENTS: bytes passed */
    bool after_cr;     /* EVENTS: the last one was a CR */
    uint8_t line_ends; /* EVENTS: in a row, up to two */
    uint8_t head_at, head_size, length_end; /* FRAMES: the head that is passing */
    uint8_t opcode;
    uint8_t tail_size; /* what goes out behind the last byte that passes, once stopped */
    uint64_t left;     /* FRAMES: of the payload */
    const char *tail;  /* borrowed */
};

/* How many of the bytes may pass. */
size_t bsc_boundary_pass(struct bsc_boundary *boundary, const char *bytes, size_t size);
/* Is this such a place? */
bool bsc_boundary_here(const struct bsc_boundary *boundary);

#endif
