/* SPDX-License-Identifier: Apache-2.0
 * supervisor/address.c - see address.h. */
#include "supervisor/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static bool parse_port(const char *text, in_port_t *out)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    long number = strtol(text, &end, 10);
    *out = htons((in_port_t)number);
    return !*end && number > 0 && number <= 65535;
}

enum bsc_status bsc_address_parse(const char *text, struct sockaddr_storage *out, socklen_t *size,
                                  struct bsc_error *error)
{
    char host[BSC_ADDRESS_BYTES];
    const char *colon = strrchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : 0;
    bool six = length > 2 && text[0] == '[' && text[length - 1] == ']';
    *out = (struct sockaddr_storage){ 0 };
    if (!length || length >= sizeof host)
        goto invalid;
    memcpy(host, text + six, length - 2 * six);
    host[length - 2 * six] = '\0';
    if (six) {
        struct sockaddr_in6 *in = (struct sockaddr_in6 *)out;
        in->sin6_family = AF_INET6;
        *size = sizeof *in;
        if (inet_pton(AF_INET6, host, &in->sin6_addr) == 1 && parse_port(colon + 1, &in->sin6_port))
            return BSC_OK;
    } else {
        struct sockaddr_in *in = (struct sockaddr_in *)out;
        in->sin_family = AF_INET;
        *size = sizeof *in;
        if (inet_pton(AF_INET, host, &in->sin_addr) == 1 && parse_port(colon + 1, &in->sin_port))
            return BSC_OK;
    }
invalid:
    return bsc_error_set(error, BSC_INVALID,
                         "'%.64s' is not a numeric address such as 0.0.0.0:8080 or [::]:8080",
                         text);
}

unsigned bsc_address_port(const struct sockaddr_storage *address)
{
    return ntohs(address->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)address)->sin6_port
                                                : ((const struct sockaddr_in *)address)->sin_port);
}

static size_t host_size(const struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET6 ? sizeof(struct in6_addr) : sizeof(struct in_addr);
}

static const void *host_of(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET6)
        return &((const struct sockaddr_in6 *)address)->sin6_addr;
    return &((const struct sockaddr_in *)address)->sin_addr;
}

bool bsc_address_equal(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    return a->ss_family == b->ss_family && bsc_address_port(a) == bsc_address_port(b) &&
           !memcmp(host_of(a), host_of(b), host_size(a));
}

bool bsc_address_is_any(const struct sockaddr_storage *address)
{
    static const unsigned char zeros[sizeof(struct in6_addr)];
    return !memcmp(host_of(address), zeros, host_size(address));
}
