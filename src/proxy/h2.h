/* SPDX-License-Identifier: Apache-2.0
 * proxy/h2.h - HTTP/2 (RFC 9113) to clients and instances: one session a connection, many requests
 * at a time.
 *
 * Each stream is a struct bsc_client, or bsc_upstream, whose connection has a transport that
 * translates between the frames of nghttp2 and HTTP/1.1 as bytes (h2_stream.c). So heads are judged
 * by the one strict parser, and exchanges know nothing of HTTP/2.
 */
#ifndef BASCULE_PROXY_H2_H
#define BASCULE_PROXY_H2_H

#include "proxy/client.h"
#include "proxy/h2_fields.h"
#include "proxy/h2_pool.h"

enum {
    BSC_H2_STREAMS = 100,               /* of a connection to an instance at once */
    BSC_H2_CONNECTIONS = 16,            /* to one instance, in one worker */
    BSC_H2_CONNECTION_WINDOW = 1 << 20, /* bytes of all requests of a connection, not passed on */
    BSC_H2_HEAD_INPUT = 128 * 1024      /* a block of fields as it comes, over all CONTINUATIONs */
};

struct bsc_upstream;
struct bsc_local_instance;

/* A worker's part. */
struct bsc_h2 {
    struct bsc_h2_pool pool;
    struct bsc_slab sessions, streams;
    struct bsc_list open;                       /* sessions */
    nghttp2_session_callbacks *server, *client; /* by our role */
    nghttp2_option *option;
    struct bsc_h2_fields fields; /* of the message that is being looked at */
};

struct bsc_h2 *bsc_h2_create(void);

/* True for a connection that begins with the preface (RFC 9113 section 3.4). */
bool bsc_h2_preface(const char *bytes, size_t size);

/* The connection speaks HTTP/2 from its first byte on, also what was received of it already. */
void bsc_h2_start(struct bsc_worker *worker, struct bsc_client *client);
/* For connections of phase BSC_CLIENT_SESSION. */
void bsc_h2_run(struct bsc_worker *worker, struct bsc_client *client);
void bsc_h2_timer(struct bsc_worker *worker, struct bsc_client *client);
/* Since when no request came or went; now, while one runs. */
int64_t bsc_h2_idle_since_ms(const struct bsc_worker *worker, const struct bsc_client *client);
/* Ends the session with a GOAWAY, if there is room for one; the connection stays. */
void bsc_h2_end(struct bsc_worker *worker, struct bsc_client *client);
/* Tells all clients to go elsewhere, one after the other over `spread_ms`. */
void bsc_h2_retire(struct bsc_worker *worker, int64_t spread_ms);

/* For one request to an instance that speaks HTTP/2 by prior knowledge: a stream of a connection
 * that it has or gets, as an upstream of its own. NULL: it can't be (errno says why). */
struct bsc_upstream *bsc_h2_upstream_get(struct bsc_worker *worker,
                                         struct bsc_local_instance *instance, int64_t connect_ms);
/* For upstreams that have a session. */
void bsc_h2_upstream_run(struct bsc_worker *worker, struct bsc_upstream *carrier);
void bsc_h2_upstream_timer(struct bsc_worker *worker, struct bsc_upstream *carrier);
/* Its sessions get no more requests, and end with those that they have. */
void bsc_h2_upstream_leave(struct bsc_local_instance *instance);

#endif
