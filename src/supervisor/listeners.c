/* SPDX-License-Identifier: Apache-2.0
 * supervisor/listeners.c - see listeners.h. */
#include "supervisor/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/holder.h"
#include "base/log.h"

enum { INHERITED_FIRST = 3 };

void bsc_listeners_init(struct bsc_listeners *listeners)
{
    *listeners = (struct bsc_listeners){ 0 };
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    long fds = pid && count && atol(pid) == (long)getpid() ? atol(count) : 0;
    for (int i = 0; i < fds && i < BSC_LISTENERS_MAX; i++) {
        int fd = INHERITED_FIRST + i, type = 0;
        socklen_t size = sizeof type;
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == -1 || type != SOCK_STREAM)
            continue;
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        listeners->inherited[listeners->inherited_count++] = fd;
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
}

static void close_listener(struct bsc_listener *listener)
{
    for (unsigned i = 0; i < listener->count; i++)
        close(listener->fds[i]);
    listener->count = 0;
}

void bsc_listeners_deinit(struct bsc_listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++)
        close_listener(&listeners->list[i]);
    free(listeners->list);
    *listeners = (struct bsc_listeners){ 0 };
}

static struct bsc_listener *find(struct bsc_listeners *listeners,
                                 const struct sockaddr_storage *address)
{
    for (size_t i = 0; i < listeners->count; i++)
        if (bsc_address_equal(&listeners->list[i].address, address))
            return &listeners->list[i];
    return NULL;
}

static struct bsc_listener *append(struct bsc_listeners *listeners, const char *name,
                                   const struct sockaddr_storage *address)
{
    listeners->list = bsc_grow(listeners->list, &listeners->capacity, listeners->count + 1,
                               sizeof *listeners->list);
    struct bsc_listener *listener = &listeners->list[listeners->count++];
    *listener = (struct bsc_listener){ .address = *address };
    snprintf(listener->name, sizeof listener->name, "%s", name);
    return listener;
}

void bsc_listeners_adopt(struct bsc_listeners *listeners, const char *name, bool shared,
                         const int *take_fds, unsigned count)
{
    struct sockaddr_storage address;
    socklen_t size;
    struct bsc_error error;
    struct bsc_listener *listener = NULL;
    if (bsc_address_parse(name, &address, &size, &error) != BSC_OK)
        bsc_log_warning("a proxy handed over a listener: %s", error.text);
    else if (!find(listeners, &address) && listeners->count < BSC_LISTENERS_MAX)
        listener = append(listeners, name, &address);
    for (unsigned i = 0; i < count; i++)
        if (listener && listener->count < BSC_LISTENER_SOCKETS)
            listener->fds[listener->count++] = take_fds[i];
        else
            close(take_fds[i]);
    if (listener)
        listener->shared = shared;
}

/* systemd makes [::]:PORT for IPv4 as well unless told otherwise; it serves 0.0.0.0:PORT then. */
static bool serves(int fd, const struct sockaddr_storage *address)
{
    struct sockaddr_storage bound = { 0 };
    socklen_t size = sizeof bound;
    int v6_only = 1;
    socklen_t option_size = sizeof v6_only;
    if (getsockname(fd, (struct sockaddr *)&bound, &size) == -1)
        return false;
    if (bsc_address_equal(&bound, address))
        return true;
    return bound.ss_family == AF_INET6 && address->ss_family == AF_INET &&
           bsc_address_is_any(&bound) && bsc_address_is_any(address) &&
           bsc_address_port(&bound) == bsc_address_port(address) &&
           getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, &option_size) == 0 && !v6_only;
}

static bool take_inherited(const struct bsc_listeners *listeners, struct bsc_listener *listener)
{
    for (unsigned i = 0; i < listeners->inherited_count; i++) {
        if (!serves(listeners->inherited[i], &listener->address))
            continue;
        int fd = fcntl(listeners->inherited[i], F_DUPFD_CLOEXEC, 0);
        if (fd == -1)
            return false;
        listener->fds[listener->count++] = fd;
        listener->shared = true;
        return true;
    }
    return false;
}

/* A socket that is bound to the address; -1 with errno. */
static int bind_socket(const struct sockaddr_storage *address, bool reuse_port)
{
    const int on = 1;
    socklen_t size =
        address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        (!reuse_port || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) &&
        (address->ss_family != AF_INET6 ||
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0) &&
        bind(fd, (const struct sockaddr *)address, size) == 0)
        return fd;
    int number = errno;
    close(fd);
    errno = number;
    return -1;
}

static enum bsc_status refuse(const struct bsc_listener *listener, struct bsc_error *error)
{
    char holder[BSC_HOLDER_BYTES] = "";
    int number = errno;
    if (number == EADDRINUSE)
        bsc_holder_describe(bsc_address_port(&listener->address), holder);
    errno = number;
    bsc_error_errno(error, "listen on %s", listener->name);
    size_t size = strlen(error->text);
    snprintf(error->text + size, sizeof error->text - size, "%s", holder);
    return error->status;
}

/* With SO_REUSEPORT a second daemon of the same user would bind as well, and get part of the
 * traffic; so it is first tried without. Where we hold the port ourselves, under another address,
 * the trial would only find us. */
static bool may_probe(const struct bsc_listeners *listeners, const struct bsc_listener *listener)
{
    for (size_t i = 0; i < listeners->count; i++)
        if (&listeners->list[i] != listener && listeners->list[i].count &&
            bsc_address_port(&listeners->list[i].address) == bsc_address_port(&listener->address))
            return false;
    return true;
}

static enum bsc_status open_listener(const struct bsc_listeners *listeners,
                                     struct bsc_listener *listener, unsigned sockets,
                                     struct bsc_error *error)
{
    if (take_inherited(listeners, listener))
        return BSC_OK;
    if (may_probe(listeners, listener)) {
        int probe = bind_socket(&listener->address, false);
        if (probe == -1)
            return refuse(listener, error);
        close(probe);
    }
    while (listener->count < sockets) {
        int fd = bind_socket(&listener->address, true);
        if (fd == -1)
            return refuse(listener, error);
        listener->fds[listener->count++] = fd;
        if (listen(fd, SOMAXCONN) == -1)
            return refuse(listener, error);
    }
    return BSC_OK;
}

static unsigned sockets_for(unsigned workers)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned sockets = cores > 0 && (unsigned)cores > workers ? (unsigned)cores : workers;
    return sockets < BSC_LISTENER_SOCKETS ? sockets : BSC_LISTENER_SOCKETS;
}

static enum bsc_status want(struct bsc_listeners *listeners, const char *name, unsigned workers,
                            struct bsc_error *error)
{
    struct sockaddr_storage address;
    socklen_t size;
    enum bsc_status status = bsc_address_parse(name, &address, &size, error);
    if (status != BSC_OK)
        return bsc_error_wrap(error, "listen");
    struct bsc_listener *listener = find(listeners, &address);
    if (!listener) {
        if (listeners->count == BSC_LISTENERS_MAX)
            return bsc_error_set(error, BSC_INVALID, "listen on %s: at most %d addresses", name,
                                 BSC_LISTENERS_MAX);
        listener = append(listeners, name, &address);
        listener->fresh = true;
        status = open_listener(listeners, listener, sockets_for(workers), error);
    }
    listener->wanted = true;
    return status;
}

/* Closes and forgets every listener whose `fresh` or `wanted` is as told. */
static void remove_where(struct bsc_listeners *listeners, bool remove_fresh)
{
    size_t kept = 0;
    for (size_t i = 0; i < listeners->count; i++) {
        struct bsc_listener *listener = &listeners->list[i];
        bool gone = remove_fresh ? listener->fresh : !listener->wanted;
        if (gone)
            close_listener(listener);
        else if (kept++ != i)
            listeners->list[kept - 1] = *listener;
    }
    listeners->count = kept;
    for (size_t i = 0; i < kept; i++)
        listeners->list[i].fresh = false;
}

enum bsc_status bsc_listeners_prepare(struct bsc_listeners *listeners, const char *names,
                                      unsigned workers, struct bsc_error *error)
{
    enum bsc_status status = BSC_OK;
    for (size_t i = 0; i < listeners->count; i++)
        listeners->list[i].wanted = false;
    while (*names && status == BSC_OK) {
        char name[BSC_ADDRESS_BYTES];
        size_t length = strcspn(names, ",");
        snprintf(name, sizeof name, "%.*s", (int)length, names);
        names += length + (names[length] == ',');
        status = want(listeners, name, workers, error);
    }
    if (status != BSC_OK)
        remove_where(listeners, true);
    return status;
}

void bsc_listeners_commit(struct bsc_listeners *listeners)
{
    remove_where(listeners, false);
}
