/* SPDX-License-Identifier: Apache-2.0
 * proxy/tunnel.h - exchanges that pass bytes both ways: after an Upgrade, and connections of TCP
 * services, which never were anything else.
 *
 * An end on one side is passed on to the other, and the other direction goes on. A reset on one
 * side is a reset on the other, so that what was cut off does not look complete.
 */
#ifndef BASCULE_PROXY_TUNNEL_H
#define BASCULE_PROXY_TUNNEL_H

#include "proxy/exchange.h"

struct bsc_listener;

/* Both connections are there, and all that was said on them before was passed on. */
void bsc_tunnel_begin(struct bsc_worker *worker, struct bsc_exchange *exchange);
/* Moves what can be moved; false: the exchange is gone. */
bool bsc_tunnel_run(struct bsc_worker *worker, struct bsc_exchange *exchange);

/* A WebSocket whose client was told to leave, and does not answer: the instance is told, too, and
 * both are closed. */
void bsc_tunnel_give_up(struct bsc_worker *worker, struct bsc_exchange *exchange);

/* Whose connection it is, by the address where it came in; false: nobody's. */
bool bsc_tcp_accept(struct bsc_worker *worker, struct bsc_listener *listener,
                    struct bsc_client *client);
/* The connection is the request. */
void bsc_tcp_begin(struct bsc_worker *worker, struct bsc_client *client);
/* The instance accepted; false: the exchange is gone. */
bool bsc_tcp_connected(struct bsc_worker *worker, struct bsc_exchange *exchange);
/* The client ended before it was connected, and sent nothing. */
bool bsc_tcp_left(const struct bsc_exchange *exchange);
/* There is nothing that can be answered: ends the connection. Always false. */
bool bsc_tcp_refuse(struct bsc_worker *worker, struct bsc_exchange *exchange, unsigned status,
                    const char *reason);

#endif
