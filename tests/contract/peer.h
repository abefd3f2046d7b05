/* SPDX-License-Identifier: Apache-2.0
 * contract/peer.h - a byte-exact server for tests: a thread accepts, a function misbehaves.
 */
#ifndef BASCULE_TESTS_PEER_H
#define BASCULE_TESTS_PEER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

struct peer {
    void (*serve)(struct peer *peer,
                  int fd); /* one connection after the other; fd is closed after */
    int listener;
    char address[128]; /* "127.0.0.1:PORT", "[::1]:PORT", "unix:PATH" */
    unsigned port;
    pthread_t thread;
    atomic_uint connections;
    atomic_ullong sent;
    char request[2048]; /* the head of the last request */
};

/* `where`: "127.0.0.1", "::1" or "unix:PATH". Asserts that it works. */
void peer_start(struct peer *peer, const char *where, void (*serve)(struct peer *, int));
/* Waits until the connection being served is over. */
void peer_stop(struct peer *peer);
/* Reads to the end of a request's head, into peer->request. */
void peer_read_head(struct peer *peer, int fd);
/* Returns -1 when the other side has gone. */
int peer_send(struct peer *peer, int fd, const char *bytes, size_t size);
int peer_puts(struct peer *peer, int fd, const char *text);
/* Returns when the other side has closed. */
void peer_wait(int fd);
/* Waits until so many connections were accepted; asserts that it does not take 10 s. */
void peer_expect(struct peer *peer, unsigned connections);
/* A loopback port on which nobody listens. */
unsigned peer_free_port(void);

#endif
