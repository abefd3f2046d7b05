/* SPDX-License-Identifier: Apache-2.0
 * base/channel.c - see channel.h. */
#include "base/channel.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SEND_WAIT_MS = 2000 };

enum bsc_status bsc_channel_pair(int fds[2], struct bsc_error *error)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == -1)
        return bsc_error_errno(error, "make a channel");
    return BSC_OK;
}

enum bsc_status bsc_channel_send(int channel, const int *fds, unsigned fd_count,
                                 struct bsc_error *error, const char *format, ...)
{
    char text[BSC_CHANNEL_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (size < 0 || (size_t)size >= sizeof text || fd_count > BSC_CHANNEL_FDS)
        return bsc_error_set(error, BSC_INVALID, "message too long: %.40s...", text);

    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * BSC_CHANNEL_FDS)];
    } control;
    struct iovec part = { text, (size_t)size };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    if (fd_count) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * fd_count);
    }
    while (sendmsg(channel, &message, MSG_NOSIGNAL) == -1) {
        if (errno == EINTR)
            continue;
        struct pollfd room = { .fd = channel, .events = POLLOUT };
        if ((errno == EAGAIN || errno == EWOULDBLOCK) && poll(&room, 1, SEND_WAIT_MS) > 0)
            continue;
        if (errno == EPIPE || errno == ECONNRESET)
            return bsc_error_set(error, BSC_UNAVAILABLE, "the other side of the channel is gone");
        return bsc_error_errno(error, "send '%.40s'", text);
    }
    return BSC_OK;
}

static void take_descriptors(struct msghdr *header, struct bsc_message *out)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(out->fds + out->fd_count, CMSG_DATA(c), count * sizeof(int));
        out->fd_count += (unsigned)count;
    }
}

enum bsc_status bsc_channel_receive(int channel, struct bsc_message *out, bool *got,
                                    struct bsc_error *error)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * BSC_CHANNEL_FDS)];
    } control;
    struct iovec part = { out->text, sizeof out->text - 1 };
    struct msghdr message = { .msg_iov = &part,
                              .msg_iovlen = 1,
                              .msg_control = control.bytes,
                              .msg_controllen = sizeof control.bytes };
    out->fd_count = 0;
    *got = false;
    ssize_t size;
    do
        size = recvmsg(channel, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (size == -1 && errno == EINTR);
    if (size == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return BSC_OK;
    if (size == 0 || (size == -1 && errno == ECONNRESET))
        return bsc_error_set(error, BSC_UNAVAILABLE, "the other side of the channel closed it");
    if (size == -1)
        return bsc_error_errno(error, "receive from a channel");
    take_descriptors(&message, out);
    out->text[size] = '\0';
    *got = true;
    return BSC_OK;
}

bool bsc_message_is(const struct bsc_message *message, const char *verb)
{
    size_t size = strlen(verb);
    return !strncmp(message->text, verb, size) &&
           (message->text[size] == '\0' || message->text[size] == ' ');
}

bool bsc_message_value(const struct bsc_message *message, const char *key, char *out, size_t size)
{
    size_t key_size = strlen(key);
    const char *at = message->text;
    out[0] = '\0';
    while ((at = strchr(at, ' ')) != NULL) {
        at++;
        if (!strncmp(at, "text=", 5))
            return false;
        if (strncmp(at, key, key_size) != 0 || at[key_size] != '=')
            continue;
        at += key_size + 1;
        size_t length = strcspn(at, " ");
        if (length >= size)
            length = size - 1;
        memcpy(out, at, length);
        out[length] = '\0';
        return true;
    }
    return false;
}

long long bsc_message_number(const struct bsc_message *message, const char *key,
                             long long otherwise)
{
    char text[32], *end;
    if (!bsc_message_value(message, key, text, sizeof text))
        return otherwise;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    return errno || end == text || *end ? otherwise : number;
}

const char *bsc_message_text(const struct bsc_message *message)
{
    const char *at = strstr(message->text, " text=");
    return at ? at + strlen(" text=") : "";
}

void bsc_message_close_fds(struct bsc_message *message)
{
    for (unsigned i = 0; i < message->fd_count; i++)
        if (message->fds[i] != -1)
            close(message->fds[i]);
    message->fd_count = 0;
}
