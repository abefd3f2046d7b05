/* SPDX-License-Identifier: Apache-2.0
 * base/port.c - see port.h. */
#include "base/port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/holder.h"

/* Only EADDRINUSE counts: a port below 1024 may be the command's to bind though not ours, and IPv6
 * may be switched off. */
static bool in_use(const struct sockaddr *address, socklen_t size)
{
    const int on = 1;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return false;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    bool used = bind(fd, address, size) == -1 && errno == EADDRINUSE;
    close(fd);
    return used;
}

enum bsc_status bsc_port_probe(unsigned port, struct bsc_error *error)
{
    const in_port_t number = htons((in_port_t)port);
    const struct sockaddr_in any4 = { .sin_family = AF_INET, .sin_port = number };
    const struct sockaddr_in6 any6 = { .sin6_family = AF_INET6, .sin6_port = number };
    char holder[BSC_HOLDER_BYTES];
    if (in_use((const struct sockaddr *)&any4, sizeof any4) ||
        in_use((const struct sockaddr *)&any6, sizeof any6))
        return bsc_error_set(error, BSC_EXISTS, "port %u is in use%s", port,
                             bsc_holder_describe(port, holder));
    return BSC_OK;
}
