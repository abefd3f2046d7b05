/* SPDX-License-Identifier: Apache-2.0
 * proxy/connection.h - one socket of a worker: what epoll said about it, and its bytes.
 *
 * Sockets are registered once, edge-triggered, for everything. So each remembers in flags what the
 * edges said: `readable` stays true until a read came back short, `writable` until a write did.
 * A closed connection stays in memory until the end of the batch of events (worker->graves),
 * because later events of the batch may still point to it.
 */
#ifndef BASCULE_PROXY_CONNECTION_H
#define BASCULE_PROXY_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "proxy/http1.h"
#include "proxy/memory.h"
#include "proxy/timer.h"

struct bsc_worker;
struct bsc_exchange;

enum bsc_kind {
    BSC_KIND_DEAD,
    BSC_KIND_INBOX,
    BSC_KIND_MIRROR, /* copies wait for it */
    BSC_KIND_LISTENER,
    BSC_KIND_CLIENT,
    BSC_KIND_UPSTREAM
};

/* The first member of everything that epoll points to. */
struct bsc_handle {
    int fd;
    enum bsc_kind kind;
};

struct bsc_connection;

/* How bytes move where a connection is more than its socket: under TLS, or as one stream of many.
 * The functions keep to recv(2) and send(2): 0 received is the end, -1 comes with errno, and EAGAIN
 * promises that `readable` or `writable` will be set and the connection run when that is over. */
struct bsc_transport {
    ssize_t (*receive)(struct bsc_worker *worker, struct bsc_connection *connection, char *bytes,
                       size_t size);
    ssize_t (*send)(struct bsc_worker *worker, struct bsc_connection *connection, const char *first,
                    size_t first_size, const char *second, size_t second_size);
    /* Sends no more, and says so to the other side. */
    void (*finish)(struct bsc_worker *worker, struct bsc_connection *connection);
    /* Closes what is below and frees `layer`. */
    void (*close)(struct bsc_worker *worker, struct bsc_connection *connection, bool reset);
    /* The socket said something: what waits below can go on. NULL: nothing waits there. */
    void (*edge)(struct bsc_worker *worker, struct bsc_connection *connection, uint32_t events);
    /* Something that `send` took has not left yet. NULL: never. */
    bool (*unsent)(const struct bsc_connection *connection);
};

struct bsc_connection {
    struct bsc_handle handle;
    const struct bsc_transport *transport; /* NULL: the socket itself */
    void *layer;                           /* the transport's own */
    struct bsc_head_scan scan;             /* of the head that is being received */
    uint8_t phase;                         /* enum bsc_client_phase */
    bool readable, writable;
    bool ending : 1; /* the other side will send no more; there may be bytes to read before that */
    bool ended : 1;  /* and everything was read */
    bool broken : 1; /* reset or failed: of no use any more */
    bool bulk : 1;   /* the last read filled its buffer: more is coming */
    bool client : 1; /* and not an upstream; also when it is closed */
    bool stream : 1; /* one of many of a session (proxy/h2.h), not a socket */
    bool served : 1; /* a request was answered on it */
    bool untouched : 1;    /* broken, and the other side did nothing about what it was sent */
    bool unsecured : 1;    /* there is no TLS with the instance that wants it ... */
    bool untrusted : 1;    /* ... because its certificate was not accepted */
    struct bsc_buffer *in; /* received, not passed on; NULL when there is nothing */
    struct bsc_exchange *exchange;
    struct bsc_timer timer;
    struct bsc_list later; /* in worker->later or worker->graves */
};

void bsc_connection_init(struct bsc_connection *connection, enum bsc_kind kind, int fd);
/* Registers the socket; false (and errno) when the kernel refuses. */
bool bsc_connection_watch(struct bsc_worker *worker, struct bsc_connection *connection);
/* What an edge said. */
void bsc_connection_mark(struct bsc_worker *worker, struct bsc_connection *connection,
                         uint32_t events);
/* Closes the socket and gives back everything but the object itself. `reset`: the other side sees
 * an error, not an end. */
void bsc_connection_close(struct bsc_worker *worker, struct bsc_connection *connection, bool reset);

/* For transports: closes a socket; with `reset` so that the other side sees an error. */
void bsc_connection_close_socket(int fd, bool reset);
static inline bool bsc_connection_unsent(const struct bsc_connection *connection)
{
    return connection->transport && connection->transport->unsent &&
           connection->transport->unsent(connection);
}

enum bsc_received {
    BSC_RECEIVED_BYTES,
    BSC_RECEIVED_WAIT,  /* nothing there now */
    BSC_RECEIVED_ENDED, /* the other side ended */
    BSC_RECEIVED_BROKEN
};
/* Reads once behind the bytes that are there already; the buffer must not hold BSC_BUFFER_LARGE
 * bytes. */
enum bsc_received bsc_connection_receive(struct bsc_worker *worker,
                                         struct bsc_connection *connection);
/* Writes up to two pieces at once; returns the number of bytes taken (0: no room now), -1 when the
 * connection is broken. */
ssize_t bsc_connection_send(struct bsc_worker *worker, struct bsc_connection *connection,
                            const char *first, size_t first_size, const char *second,
                            size_t second_size);
/* Sends no more; the other side sees an end, and may go on sending. */
void bsc_connection_finish(struct bsc_worker *worker, struct bsc_connection *connection);
/* Forgets `size` received bytes; an empty buffer goes back. */
void bsc_connection_consume(struct bsc_worker *worker, struct bsc_connection *connection,
                            uint32_t size);

#endif
