/* SPDX-License-Identifier: Apache-2.0
 * bench/origin.c - an origin that costs next to nothing, so that a benchmark measures what stands
 * in front of it.
 *
 * usage: origin PORT
 * Answers GET /N with N bytes, from one core, without copying them together, and closes when it is
 * asked to. It reads no more of a request than that: benchmarks send small ones without a body.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BODY_BYTES = 1 << 20, EVENTS = 512, FDS_MAX = 1 << 17 };

static char body[BODY_BYTES];

/* What is still owed on a connection; indexed by descriptor. */
static struct owed {
    char head[128];
    size_t head_at, head_size;
    unsigned long long left;
    int last;
} owed_by[FDS_MAX];

static void drop(int fd)
{
    owed_by[fd] = (struct owed){ 0 };
    close(fd);
}

/* False when the connection is of no use any more, or everything is paid and it shall close. */
static int pay(int fd)
{
    struct owed *owed = &owed_by[fd];
    while (owed->head_at < owed->head_size || owed->left) {
        struct iovec pieces[2] = {
            { owed->head + owed->head_at, owed->head_size - owed->head_at },
            { body, owed->left < BODY_BYTES ? (size_t)owed->left : BODY_BYTES },
        };
        struct msghdr message = { .msg_iov = pieces, .msg_iovlen = 2 };
        ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN;
        size_t of_head = (size_t)sent < pieces[0].iov_len ? (size_t)sent : pieces[0].iov_len;
        owed->head_at += of_head;
        owed->left -= (size_t)sent - of_head;
    }
    return !owed->last;
}

static int answer(int fd)
{
    char request[16384];
    ssize_t size = recv(fd, request, sizeof request - 1, 0);
    if (size <= 0)
        return size < 0 && errno == EAGAIN;
    request[size] = '\0';
    for (const char *at = request; (at = strstr(at, "\r\n\r\n")) != NULL; at += 4) {
        const char *path = strchr(request, '/');
        struct owed *owed = &owed_by[fd];
        owed->left = path ? strtoull(path + 1, NULL, 10) : 0;
        owed->head_at = 0;
        owed->last = strstr(request, "Connection: close") != NULL;
        owed->head_size = (size_t)snprintf(owed->head, sizeof owed->head,
                                           "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                                           "Content-Length: %llu\r\n%s\r\n",
                                           owed->left, owed->last ? "Connection: close\r\n" : "");
        if (!pay(fd))
            return 0;
    }
    return 1;
}

static int listen_on(const char *port)
{
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)atoi(port)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) {
        perror("origin");
        exit(1);
    }
    return listener;
}

static void accept_all(int epoll, int listener)
{
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= FDS_MAX) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.fd = fd };
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: origin PORT\n", stderr);
        return 2;
    }
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    memset(body, 'x', sizeof body);
    int listener = listen_on(argv[1]), epoll = epoll_create1(0);
    struct epoll_event event = { .events = EPOLLIN, .data.fd = listener }, ready[EVENTS];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(epoll, ready, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = ready[i].data.fd;
            if (fd == listener)
                accept_all(epoll, listener);
            else if (!pay(fd) || (ready[i].events & EPOLLIN && !answer(fd)))
                drop(fd);
        }
    }
}
