/* SPDX-License-Identifier: Apache-2.0
 * proxy/client.h - connections from clients: one request after the other, in order.
 *
 * An idle connection owns no buffer and no exchange. What a client sends ahead of time stays in the
 * socket or in the buffer until the answer before it is complete.
 */
#ifndef BASCULE_PROXY_CLIENT_H
#define BASCULE_PROXY_CLIENT_H

#include <netinet/in.h>

#include "proxy/connection.h"

struct bsc_listener;
struct bsc_local_service;

enum bsc_client_phase {
    BSC_CLIENT_IDLE,      /* between two requests */
    BSC_CLIENT_PROXIED,   /* the proxy before us has not said whose it is */
    BSC_CLIENT_HANDSHAKE, /* of TLS */
    BSC_CLIENT_HEAD,      /* a head is arriving */
    BSC_CLIENT_EXCHANGE,  /* a request is being answered; from here on it waits for room, too */
    BSC_CLIENT_LINGER,    /* everything is said; reading until the client closes, too */
    BSC_CLIENT_SESSION    /* it speaks HTTP/2: its requests are clients of their own */
};

struct bsc_client {
    struct bsc_connection connection;  /* first */
    struct bsc_h2_session *session;    /* BSC_CLIENT_SESSION */
    struct bsc_local_service *service; /* of TCP, until the connection begins; else NULL */
    const struct bsc_client *carrier;  /* whose socket it is: its session's, or itself */
    char address[INET6_ADDRSTRLEN];    /* numeric, for X-Forwarded-For */
    bool counted : 1;                  /* among its address's connections */
    bool secure : 1;                   /* it speaks TLS */
    bool redirect : 1;                 /* it does not, and is sent to where it must */
    in_port_t redirect_port;           /* 0: 443 */
    unsigned requests;                 /* begun, while they are limited */
    struct bsc_list node;              /* in worker->all_clients */
};

/* Takes over a connection that came in at `listener`; its role says how it begins. */
void bsc_client_open(struct bsc_worker *worker, struct bsc_listener *listener, int fd,
                     const struct sockaddr *peer);
/* One request of a session, as a client with everything that is known of its connection. */
struct bsc_client *bsc_client_open_stream(struct bsc_worker *worker,
                                          const struct bsc_client *carrier);
/* It is known whose it is: it may begin, unless its address has enough. False: it is gone, or has
 * begun and sends no requests (TCP). */
bool bsc_client_start(struct bsc_worker *worker, struct bsc_client *client);
/* The connection begins with a header of the PROXY protocol (introduce.c). */
void bsc_client_await_introduction(struct bsc_worker *worker, struct bsc_client *client);
/* Reads it; true when it was whole and the client has started. */
bool bsc_client_introduced(struct bsc_worker *worker, struct bsc_client *client);
void bsc_client_event(struct bsc_worker *worker, struct bsc_client *client, uint32_t events);
void bsc_client_run(struct bsc_worker *worker, struct bsc_client *client);
void bsc_client_timer(struct bsc_worker *worker, struct bsc_client *client);

/* After an exchange: the next request; or the end, so that the client gets the last answer whole;
 * or a reset, so that it knows that the answer was not. */
void bsc_client_next(struct bsc_worker *worker, struct bsc_client *client);
void bsc_client_end(struct bsc_worker *worker, struct bsc_client *client);
void bsc_client_close(struct bsc_worker *worker, struct bsc_client *client, bool reset);

#endif
