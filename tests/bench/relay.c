/* SPDX-License-Identifier: Apache-2.0
 * bench/relay.c - copies bytes both ways and understands nothing: the least that a proxy can cost.
 *
 * usage: relay PORT UPSTREAM_PORT
 * One upstream connection a client, one recv and one send for what one event brings, on loopback.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 512, FDS_MAX = 1 << 17 };

static int other_of[FDS_MAX]; /* 0: none */
static char bytes[64 * 1024];

static void part(int fd)
{
    int other = other_of[fd];
    other_of[fd] = 0;
    close(fd);
    if (!other)
        return;
    other_of[other] = 0;
    close(other);
}

static int write_all(int fd, const char *at, size_t size)
{
    while (size) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return 0;
        if (sent < 0) {
            struct pollfd room = { .fd = fd, .events = POLLOUT };
            poll(&room, 1, 1000);
            continue;
        }
        at += sent;
        size -= (size_t)sent;
    }
    return 1;
}

static void carry(int fd)
{
    if (!other_of[fd]) /* parted earlier in this batch */
        return;
    ssize_t size = recv(fd, bytes, sizeof bytes, 0);
    if (size < 0 && errno == EAGAIN)
        return;
    if (size <= 0 || !write_all(other_of[fd], bytes, (size_t)size))
        part(fd);
}

static void watch(int epoll, int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void pair(int epoll, int client, const struct sockaddr_in *upstream)
{
    int server = socket(AF_INET, SOCK_STREAM, 0);
    if (server < 0 || server >= FDS_MAX || client >= FDS_MAX ||
        connect(server, (const struct sockaddr *)upstream, sizeof *upstream)) {
        if (server >= 0)
            close(server);
        close(client);
        return;
    }
    other_of[client] = server;
    other_of[server] = client;
    watch(epoll, client);
    watch(epoll, server);
}

static struct sockaddr_in loopback(const char *port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)atoi(port)),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fputs("usage: relay PORT UPSTREAM_PORT\n", stderr);
        return 2;
    }
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    struct sockaddr_in here = loopback(argv[1]), upstream = loopback(argv[2]);
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 4096)) {
        perror("relay");
        return 1;
    }
    int epoll = epoll_create1(0), client;
    struct epoll_event event = { .events = EPOLLIN, .data.fd = listener }, ready[EVENTS];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(epoll, ready, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (ready[i].data.fd != listener)
                carry(ready[i].data.fd);
            else
                while ((client = accept4(listener, NULL, NULL, 0)) >= 0)
                    pair(epoll, client, &upstream);
        }
    }
}
