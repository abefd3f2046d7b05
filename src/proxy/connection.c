/* SPDX-License-Identifier: Apache-2.0
 * proxy/connection.c - see connection.h. */
#include "proxy/connection.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proxy/worker.h"

void bsc_connection_init(struct bsc_connection *connection, enum bsc_kind kind, int fd)
{
    connection->handle.fd = fd;
    connection->handle.kind = kind;
    connection->client = kind == BSC_KIND_CLIENT;
    bsc_timer_init(&connection->timer);
    bsc_list_init(&connection->later);
}

bool bsc_connection_watch(struct bsc_worker *worker, struct bsc_connection *connection)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                 .data.ptr = connection };
    return epoll_ctl(worker->epoll, EPOLL_CTL_ADD, connection->handle.fd, &event) == 0;
}

void bsc_connection_mark(struct bsc_worker *worker, struct bsc_connection *connection,
                         uint32_t events)
{
    if (events & EPOLLIN)
        connection->readable = true;
    if (events & EPOLLOUT)
        connection->writable = true;
    if (events & (EPOLLRDHUP | EPOLLHUP))
        connection->ending = connection->readable = true;
    if (events & EPOLLERR) /* what arrived before the reset can still be read */
        connection->broken = connection->readable = true;
    if (connection->transport && connection->transport->edge)
        connection->transport->edge(worker, connection, events);
}

void bsc_connection_close_socket(int fd, bool reset)
{
    if (reset) {
        struct linger now = { .l_onoff = 1, .l_linger = 0 };
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    close(fd);
}

void bsc_connection_close(struct bsc_worker *worker, struct bsc_connection *connection, bool reset)
{
    if (connection->handle.kind == BSC_KIND_DEAD)
        return;
    if (connection->transport)
        connection->transport->close(worker, connection, reset);
    else
        bsc_connection_close_socket(connection->handle.fd, reset);
    connection->handle.fd = -1;
    connection->handle.kind = BSC_KIND_DEAD;
    bsc_timer_stop(&connection->timer);
    bsc_buffer_return(&worker->buffers, &connection->in);
    bsc_list_remove(&connection->later);
}

/* A buffer with room behind its bytes. */
static struct bsc_buffer *make_room(struct bsc_worker *worker, struct bsc_connection *connection)
{
    struct bsc_buffer *in = connection->in;
    if (!in)
        return connection->in = bsc_buffer_lend(
                   &worker->buffers, connection->bulk ? BSC_BUFFER_LARGE : BSC_BUFFER_USUAL);
    if (in->end < in->capacity)
        return in;
    uint32_t size = bsc_buffer_size(in);
    if (in->begin > 0) {
        memmove(in->bytes, in->bytes + in->begin, size);
    } else {
        struct bsc_buffer *large = bsc_buffer_lend(&worker->buffers, BSC_BUFFER_LARGE);
        memcpy(large->bytes, in->bytes, size);
        bsc_buffer_return(&worker->buffers, &connection->in);
        connection->in = in = large;
    }
    in->begin = 0;
    in->end = size;
    return in;
}

/* As recv(2) and send(2), but no points of cancellation: those cost two atomic operations a call in
 * a program of several threads, and no thread of this one is ever cancelled. */
static ssize_t receive(int fd, char *bytes, size_t room)
{
    return syscall(SYS_recvfrom, fd, bytes, room, 0, NULL, NULL);
}

static ssize_t send_piece(int fd, const char *bytes, size_t size)
{
    return syscall(SYS_sendto, fd, bytes, size, MSG_NOSIGNAL, NULL, 0);
}

enum bsc_received bsc_connection_receive(struct bsc_worker *worker,
                                         struct bsc_connection *connection)
{
    if (!connection->readable)
        return connection->broken  ? BSC_RECEIVED_BROKEN
               : connection->ended ? BSC_RECEIVED_ENDED
                                   : BSC_RECEIVED_WAIT;
    struct bsc_buffer *in = make_room(worker, connection);
    size_t room = in->capacity - in->end;
    ssize_t got;
    do
        got = connection->transport
                  ? connection->transport->receive(worker, connection, in->bytes + in->end, room)
                  : receive(connection->handle.fd, in->bytes + in->end, room);
    while (got == -1 && errno == EINTR);
    connection->bulk = got == (ssize_t)room;
    if (got > 0) {
        in->end += (uint32_t)got;
        /* A short read emptied the socket: the next bytes are a new edge. An end that was already
         * announced is no new edge, so it must be read. */
        if ((size_t)got < room && !connection->ending && !connection->transport)
            connection->readable = false;
        return BSC_RECEIVED_BYTES;
    }
    connection->readable = false;
    if (in->begin == in->end)
        bsc_buffer_return(&worker->buffers, &connection->in);
    if (got == 0) {
        connection->ending = connection->ended = true;
        return BSC_RECEIVED_ENDED;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return connection->broken ? BSC_RECEIVED_BROKEN : BSC_RECEIVED_WAIT;
    connection->broken = true;
    return BSC_RECEIVED_BROKEN;
}

static ssize_t send_pieces(int fd, const char *first, size_t first_size, const char *second,
                           size_t second_size)
{
    if (!first_size)
        return send_piece(fd, second, second_size);
    if (!second_size)
        return send_piece(fd, first, first_size);
    struct iovec pieces[2] = { { (void *)(uintptr_t)first, first_size },
                               { (void *)(uintptr_t)second, second_size } };
    struct msghdr message = { .msg_iov = pieces, .msg_iovlen = 2 };
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

ssize_t bsc_connection_send(struct bsc_worker *worker, struct bsc_connection *connection,
                            const char *first, size_t first_size, const char *second,
                            size_t second_size)
{
    ssize_t sent;
    do
        sent = connection->transport
                   ? connection->transport->send(worker, connection, first, first_size, second,
                                                 second_size)
                   : send_pieces(connection->handle.fd, first, first_size, second, second_size);
    while (sent == -1 && errno == EINTR);
    if (sent >= 0) {
        if ((size_t)sent < first_size + second_size)
            connection->writable = false;
        return sent;
    }
    connection->writable = false;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return 0;
    return -1;
}

void bsc_connection_finish(struct bsc_worker *worker, struct bsc_connection *connection)
{
    if (connection->transport)
        connection->transport->finish(worker, connection);
    else
        shutdown(connection->handle.fd, SHUT_WR);
}

void bsc_connection_consume(struct bsc_worker *worker, struct bsc_connection *connection,
                            uint32_t size)
{
    struct bsc_buffer *in = connection->in;
    if (!in)
        return;
    in->begin += size;
    if (in->begin == in->end)
        bsc_buffer_return(&worker->buffers, &connection->in);
}
