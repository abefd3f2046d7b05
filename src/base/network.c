/* SPDX-License-Identifier: Apache-2.0
 * base/network.c - see network.h. */
#include "base/network.h"

#include <arpa/inet.h>
#include <string.h>

enum { V4_AT = 12, V4_BITS = 96, ALL_BITS = 128, SUBSCRIBER_BITS = 64 };

static const uint8_t v4_prefix[V4_AT] = { [10] = 0xff, [11] = 0xff };

bool bsc_ip_is_v4(const struct bsc_ip *ip)
{
    return !memcmp(ip->bytes, v4_prefix, sizeof v4_prefix);
}

bool bsc_ip_parse(const char *text, size_t size, struct bsc_ip *out)
{
    char copy[INET6_ADDRSTRLEN];
    if (size >= sizeof copy || memchr(text, '\0', size))
        return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    if (inet_pton(AF_INET6, copy, out->bytes) == 1)
        return true;
    memcpy(out->bytes, v4_prefix, sizeof v4_prefix);
    return inet_pton(AF_INET, copy, out->bytes + V4_AT) == 1;
}

static bool is_port(const char *text, size_t size)
{
    if (size < 2 || size > 6 || text[0] != ':')
        return false;
    for (size_t i = 1; i < size; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return true;
}

bool bsc_ip_parse_node(const char *text, size_t size, struct bsc_ip *out)
{
    if (size && text[0] == '[') {
        const char *close = memchr(text, ']', size);
        if (!close)
            return false;
        size_t inside = (size_t)(close - text) - 1, rest = size - inside - 2;
        return (!rest || is_port(close + 1, rest)) && bsc_ip_parse(text + 1, inside, out) &&
               memchr(text + 1, ':', inside);
    }
    if (bsc_ip_parse(text, size, out))
        return true;
    const char *colon = memchr(text, ':', size);
    return colon && is_port(colon, size - (size_t)(colon - text)) &&
           bsc_ip_parse(text, (size_t)(colon - text), out);
}

void bsc_ip_format(const struct bsc_ip *ip, char out[static INET6_ADDRSTRLEN])
{
    if (bsc_ip_is_v4(ip))
        inet_ntop(AF_INET, ip->bytes + V4_AT, out, INET6_ADDRSTRLEN);
    else
        inet_ntop(AF_INET6, ip->bytes, out, INET6_ADDRSTRLEN);
}

void bsc_ip_of(const struct sockaddr *address, char out[static INET6_ADDRSTRLEN])
{
    struct bsc_ip ip;
    if (address->sa_family == AF_INET) {
        memcpy(ip.bytes, v4_prefix, sizeof v4_prefix);
        memcpy(ip.bytes + V4_AT, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
    } else if (address->sa_family == AF_INET6) {
        memcpy(ip.bytes, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 16);
    } else {
        memcpy(out, "unknown", sizeof "unknown");
        return;
    }
    bsc_ip_format(&ip, out);
}

static struct bsc_ip masked(const struct bsc_ip *ip, unsigned bits)
{
    struct bsc_ip result = { { 0 } };
    memcpy(result.bytes, ip->bytes, bits / 8);
    if (bits % 8)
        result.bytes[bits / 8] = (uint8_t)(ip->bytes[bits / 8] & (0xff00 >> bits % 8));
    return result;
}

struct bsc_ip bsc_ip_subscriber(const struct bsc_ip *ip)
{
    return bsc_ip_is_v4(ip) ? *ip : masked(ip, SUBSCRIBER_BITS);
}

bool bsc_network_parse(const char *text, struct bsc_network *out)
{
    const char *slash = strchr(text, '/');
    size_t size = slash ? (size_t)(slash - text) : strlen(text);
    unsigned bits = 0, most = 0;
    if (!bsc_ip_parse(text, size, &out->ip))
        return false;
    bool v4 = !memchr(text, ':', size);
    most = v4 ? ALL_BITS - V4_BITS : ALL_BITS;
    if (!slash)
        bits = most;
    for (const char *at = slash ? slash + 1 : ""; *at; at++) {
        if (*at < '0' || *at > '9' || (bits == 0 && at > slash + 1))
            return false;
        bits = bits * 10 + (unsigned)(*at - '0');
        if (bits > most)
            return false;
    }
    if (slash && !slash[1])
        return false;
    out->bits = (uint8_t)(v4 ? bits + V4_BITS : bits);
    struct bsc_ip prefix = masked(&out->ip, out->bits);
    return !memcmp(prefix.bytes, out->ip.bytes, sizeof prefix.bytes);
}

bool bsc_network_has(const struct bsc_network *network, const struct bsc_ip *ip)
{
    struct bsc_ip prefix = masked(ip, network->bits);
    return !memcmp(prefix.bytes, network->ip.bytes, sizeof prefix.bytes);
}

bool bsc_networks_have(const struct bsc_network *networks, unsigned count, const struct bsc_ip *ip)
{
    for (unsigned i = 0; i < count; i++)
        if (bsc_network_has(&networks[i], ip))
            return true;
    return false;
}
