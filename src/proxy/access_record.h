/* SPDX-License-Identifier: Apache-2.0
 * proxy/access_record.h - one request, or connection of TCP, in the access log: as numbers and
 * bytes, and as a line.
 *
 * A worker writes the record, because it knows the request; another thread makes the line of it,
 * because that takes longer. Pure.
 */
#ifndef BASCULE_PROXY_ACCESS_RECORD_H
#define BASCULE_PROXY_ACCESS_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "core/slots.h"

enum bsc_access_text {
    BSC_ACCESS_CLIENT, /* numeric address */
    BSC_ACCESS_METHOD,
    BSC_ACCESS_HOST, /* as sent, with its port */
    BSC_ACCESS_TARGET,
    BSC_ACCESS_REFERER,
    BSC_ACCESS_AGENT,
    BSC_ACCESS_ID, /* X-Request-Id */
    BSC_ACCESS_SERVICE,
    BSC_ACCESS_INSTANCE,
    BSC_ACCESS_REASON,  /* of an answer of the proxy's own, or why a connection of TCP ended */
    BSC_ACCESS_RESCUED, /* how the candidate failed what stable answered */
    BSC_ACCESS_TEXTS
};

enum {
    BSC_ACCESS_TEXT_BYTES = 1024,  /* a longer text is cut */
    BSC_ACCESS_RECORD_BYTES = 4000 /* and what does not fit any more is left out */
};

struct bsc_access_record {
    uint32_t size;   /* with its texts, a multiple of 8 */
    uint16_t status; /* of the answer; 0: none was sent */
    uint16_t text_size[BSC_ACCESS_TEXTS];
    uint8_t tries;    /* instances that were asked, in both slots */
    uint8_t protocol; /* 10, 11, 20; 0: TCP */
    uint8_t slot;     /* enum bsc_slot; BSC_SLOT_COUNT: none was chosen */
    bool tls;
    bool whole;          /* the client got a whole answer */
    bool preview;        /* it asked for what is not live */
    bool error;          /* its slot is charged with one */
    int64_t started_us;  /* boot clock: the head was complete */
    int64_t answered_us; /* the answer's head was; 0: none */
    int64_t ended_us;
    uint64_t bytes_in, bytes_out; /* of the bodies */
    char text[];                  /* one after the other, without ends */
};

/* Appends a text to a record that has `capacity` bytes in all; each kind once, in their order. */
void bsc_access_add(struct bsc_access_record *record, size_t capacity, enum bsc_access_text kind,
                    const char *bytes, size_t size);

enum bsc_access_format { BSC_ACCESS_JSON, BSC_ACCESS_COMBINED };

struct bsc_access_style {
    enum bsc_access_format format;
    bool anonymous; /* the last byte of an IPv4, the last ten of an IPv6 address are zero */
};

/* Appends the line, with its end, to `out`. `wall_us` is the time of day at boot clock 0. What
 * clients sent is escaped: it can neither end the line nor steer a terminal. */
void bsc_access_format(const struct bsc_access_record *record, const struct bsc_access_style *style,
                       int64_t wall_us, struct bsc_text *out);

#endif
