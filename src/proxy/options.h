/* SPDX-License-Identifier: Apache-2.0
 * proxy/options.h - what the controller sets for the whole proxy, whatever the service.
 *
 * An object never changes. The control thread owns it; a worker borrows the one in force, between
 * two requests another one takes its place, and the old one goes when every worker has swapped. So
 * nothing may keep a pointer to it from one turn of the loop to the next.
 */
#ifndef BASCULE_PROXY_OPTIONS_H
#define BASCULE_PROXY_OPTIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/network.h"
#include "proxy/pages.h"

enum bsc_tracing { BSC_TRACING_SAMPLED, BSC_TRACING_UNSAMPLED, BSC_TRACING_PASS };

struct bsc_options {
    int64_t head_ms;          /* from a request's first byte to the end of its head */
    int64_t keep_alive_ms;    /* an idle client connection */
    int64_t tunnel_ms;        /* nothing moves in a tunnel */
    int64_t linger_ms;        /* reading on after the last answer, so that it is not reset away */
    int64_t pooled_ms;        /* an idle connection to an instance */
    unsigned pooled_max;      /* of them, to one instance, in one worker */
    unsigned connections_max; /* of clients, in all workers; 0: no limit but descriptors */
    unsigned address_connections_max; /* of one client; 0: no limit */
    unsigned requests_max;            /* on one connection; 0: no limit */
    unsigned streams_max;             /* at once on one connection of HTTP/2 */
    unsigned head_bytes, line_bytes, fields_max;
    bool head_limited;     /* one of them is narrower than the parser's */
    uint64_t body_bytes;   /* of a request; 0: no limit */
    uint64_t body_rate;    /* bytes a second; 0: any */
    uint64_t read_rate;    /* likewise, of answers, while they wait for their reader */
    int64_t rate_grace_ms; /* before either is demanded */
    int64_t request_ms;    /* for a body to arrive; 0: any */
    int64_t buffer_bytes;  /* lent in all workers */
    enum bsc_tracing tracing;
    struct bsc_pages pages;
    unsigned trusted_count;
    struct bsc_network *trusted; /* proxies before us */
};

/* As long as nobody says otherwise. */
struct bsc_options *bsc_options_create(void);
/* Reads the value of "options"; a key that is missing has its default. */
enum bsc_status bsc_options_parse(const json_t *object, struct bsc_options **out,
                                  struct bsc_error *error) BSC_MUST_CHECK;
void bsc_options_destroy(struct bsc_options *options); /* NULL is allowed */

#endif
