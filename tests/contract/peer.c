/* SPDX-License-Identifier: Apache-2.0
 * contract/peer.c - see peer.h. */
#include "peer.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void *run(void *argument)
{
    struct peer *peer = argument;
    for (;;) {
        int fd = accept(peer->listener, NULL, NULL);
        if (fd == -1)
            return NULL;
        atomic_fetch_add(&peer->connections, 1);
        peer->serve(peer, fd);
        close(fd);
    }
}

static int listen_on(const char *where, char *address, size_t size, unsigned *port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    } to = { 0 };
    socklen_t length = sizeof to.v4;
    to.v4.sin_family = AF_INET;
    if (!strncmp(where, "unix:", 5)) {
        to.local.sun_family = AF_UNIX;
        snprintf(to.local.sun_path, sizeof to.local.sun_path, "%s", where + 5);
        length = sizeof to.local;
    } else if (strchr(where, ':')) {
        to.v6.sin6_family = AF_INET6;
        length = sizeof to.v6;
        assert(inet_pton(AF_INET6, where, &to.v6.sin6_addr) == 1);
    } else {
        assert(inet_pton(AF_INET, where, &to.v4.sin_addr) == 1);
    }
    int fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert(fd != -1);
    assert(!bind(fd, &to.any, length));
    assert(!listen(fd, 1024));
    if (to.any.sa_family == AF_UNIX) {
        snprintf(address, size, "%s", where);
        return fd;
    }
    assert(!getsockname(fd, &to.any, &length));
    *port = ntohs(to.any.sa_family == AF_INET6 ? to.v6.sin6_port : to.v4.sin_port);
    snprintf(address, size, to.any.sa_family == AF_INET6 ? "[%s]:%u" : "%s:%u", where, *port);
    return fd;
}

void peer_start(struct peer *peer, const char *where, void (*serve)(struct peer *, int))
{
    *peer = (struct peer){ .serve = serve };
    peer->listener = listen_on(where, peer->address, sizeof peer->address, &peer->port);
    assert(!pthread_create(&peer->thread, NULL, run, peer));
}

void peer_stop(struct peer *peer)
{
    shutdown(peer->listener, SHUT_RDWR);
    pthread_join(peer->thread, NULL);
    close(peer->listener);
    if (!strncmp(peer->address, "unix:", 5))
        unlink(peer->address + 5);
}

void peer_read_head(struct peer *peer, int fd)
{
    size_t size = 0;
    peer->request[0] = '\0';
    while (!strstr(peer->request, "\r\n\r\n") && size < sizeof peer->request - 1) {
        ssize_t got = recv(fd, peer->request + size, sizeof peer->request - 1 - size, 0);
        if (got <= 0)
            return;
        size += (size_t)got;
        peer->request[size] = '\0';
    }
}

int peer_send(struct peer *peer, int fd, const char *bytes, size_t size)
{
    while (size) {
        ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return -1;
        atomic_fetch_add(&peer->sent, (unsigned long long)sent);
        bytes += sent;
        size -= (size_t)sent;
    }
    return 0;
}

int peer_puts(struct peer *peer, int fd, const char *text)
{
    return peer_send(peer, fd, text, strlen(text));
}

void peer_wait(int fd)
{
    char byte;
    while (recv(fd, &byte, 1, 0) > 0)
        ;
}

void peer_expect(struct peer *peer, unsigned connections)
{
    for (unsigned i = 0; i < 10000 && atomic_load(&peer->connections) < connections; i++)
        usleep(1000);
    assert(atomic_load(&peer->connections) == connections);
}

unsigned peer_free_port(void)
{
    char address[128];
    unsigned port = 0;
    close(listen_on("127.0.0.1", address, sizeof address, &port));
    return port;
}
