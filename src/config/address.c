/* SPDX-License-Identifier: Apache-2.0
 * config/address.c - see address.h. */
#include "config/address.h"

#include <arpa/inet.h>
#include <string.h>

unsigned bsc_port_parse(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    if (!digits || digits > 5 || text[digits] || *text == '0')
        return 0;
    unsigned port = 0;
    for (size_t i = 0; i < digits; i++)
        port = port * 10 + (unsigned)(text[i] - '0');
    return port <= 65535 ? port : 0;
}

const char *bsc_endpoint_parse(struct bsc_arena *arena, const char *text)
{
    const char *colon = strrchr(text, ':');
    if (!colon)
        return NULL;
    unsigned port = bsc_port_parse(colon + 1);
    char host[INET6_ADDRSTRLEN + 2];
    size_t size = (size_t)(colon - text);
    if (!port || size >= sizeof host)
        return NULL;
    memcpy(host, text, size);
    host[size] = '\0';
    if (!strcmp(host, "localhost"))
        return bsc_arena_printf(arena, "127.0.0.1:%u", port);
    struct in_addr v4;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return bsc_arena_printf(arena, "%s:%u", host, port);
    struct in6_addr v6;
    if (size < 4 || host[0] != '[' || host[size - 1] != ']')
        return NULL;
    host[size - 1] = '\0';
    if (inet_pton(AF_INET6, host + 1, &v6) != 1)
        return NULL;
    inet_ntop(AF_INET6, &v6, host, sizeof host);
    return bsc_arena_printf(arena, "[%s]:%u", host, port);
}

static bool is_label(const char *text, size_t size)
{
    if (!size || size > 63 || text[0] == '-' || text[size - 1] == '-')
        return false;
    return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_") >= size;
}

bool bsc_host_check(const char *host)
{
    size_t size = strlen(host);
    if (!size || size > 253)
        return false;
    if (host[0] == '[') {
        char inside[INET6_ADDRSTRLEN];
        struct in6_addr v6;
        if (size < 4 || host[size - 1] != ']' || size - 2 >= sizeof inside)
            return false;
        memcpy(inside, host + 1, size - 2);
        inside[size - 2] = '\0';
        return inet_pton(AF_INET6, inside, &v6) == 1;
    }
    for (const char *label = host;;) {
        size_t length = strcspn(label, ".");
        if (!is_label(label, length))
            return false;
        if (!label[length])
            return true;
        label += length + 1;
    }
}
