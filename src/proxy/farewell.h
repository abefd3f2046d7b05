/* SPDX-License-Identifier: Apache-2.0
 * proxy/farewell.h - what lasts is told before its time is over: when the proxy is replaced, and
 * when an instance drains, be it that it only stands by from then on or that it will be stopped.
 *
 * WebSockets and event streams would go on until they are cut. So each of them is told at a time of
 * its own within the drain time, so that not all clients come back at once: a WebSocket by a close
 * frame 1001 (going away) between two frames of the instance, an event stream by its end behind a
 * whole event. A client's answer to the close frame passes on to the instance, which closes, too;
 * for one that does not answer, the instance gets a close frame shortly before the end. Everything
 * else is given the time, and nothing more.
 */
#ifndef BASCULE_PROXY_FAREWELL_H
#define BASCULE_PROXY_FAREWELL_H

#include "proxy/boundary.h"
#include "proxy/exchange.h"

/* An exchange that lasts. */
struct bsc_lasting {
    struct bsc_list node; /* in worker->lasting */
    struct bsc_exchange *exchange;
    bool websocket;  /* else an event stream */
    bool told;       /* nothing of the instance passes any more beyond the next boundary */
    bool parted;     /* both said close: our end is sent */
    int64_t tell_ms; /* 0: nobody leaves */
    int64_t end_ms;  /* of waiting for the client's answer */
    struct bsc_boundary to_client, to_instance;
};

/* The tunnel, or the answer with its body, has begun. */
void bsc_lasting_begin(struct bsc_worker *worker, struct bsc_exchange *exchange, bool websocket);
/* The exchange ends. */
void bsc_lasting_end(struct bsc_worker *worker, struct bsc_exchange *exchange);
/* Is it an event stream? While worker->response and its `bytes` are there. */
bool bsc_lasting_is_event_stream(const struct bsc_response *response, const char *bytes);

/* Everybody leaves within that time; or who is connected to one instance. */
void bsc_farewell_all(struct bsc_worker *worker, int64_t drain_ms);
void bsc_farewell_instance(struct bsc_worker *worker, struct bsc_local_instance *instance,
                           int64_t drain_ms);
/* It stays after all: who was not told yet is not. */
void bsc_farewell_revoke(struct bsc_worker *worker, struct bsc_local_instance *instance);
/* The timer of the client of an exchange that lasts. */
void bsc_farewell_late(struct bsc_worker *worker, struct bsc_exchange *exchange);

#endif
