/* SPDX-License-Identifier: Apache-2.0
 * proxy/proxy_protocol.c - see proxy_protocol.h. */
#include "proxy/proxy_protocol.h"

#include <stdio.h>
#include <string.h>

static const char v1_begin[] = "PROXY ";
static const char v2_begin[] = "\r\n\r\n\0\r\nQUIT\n";

enum {
    V1_BYTES_MAX = 107, /* with CRLF */
    V2_SIGNATURE = sizeof v2_begin - 1,
    V2_FIXED = 16,
    V2_LOCAL = 0x20,
    V2_PROXY = 0x21,
    V2_UNSPECIFIED = 0x00,
    V2_TCP4 = 0x11,
    V2_TCP6 = 0x21,
    V2_UNIX = 0x31,
    V4_AT = 12 /* of an IPv4 address in its IPv6 form */
};

/* -- version 1 ------------------------------------------------------------------------------- */

/* The word up to the next space, or the rest; advances *at behind the space. */
static size_t word(const char **at, const char *end, const char **out)
{
    const char *space = *at < end ? memchr(*at, ' ', (size_t)(end - *at)) : NULL;
    *out = *at;
    size_t size = (size_t)((space ? space : end) - *at);
    *at = space ? space + 1 : end;
    return size;
}

static bool is_port(const char *text, size_t size)
{
    unsigned value = 0;
    if (!size || size > 5 || (size > 1 && text[0] == '0'))
        return false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    return value <= UINT16_MAX;
}

static bool read_addresses(const char *at, const char *end, bool v6, struct bsc_ip *source)
{
    const char *text;
    struct bsc_ip target;
    size_t size = word(&at, end, &text);
    if (!bsc_ip_parse(text, size, source) || (memchr(text, ':', size) != NULL) != v6)
        return false;
    size = word(&at, end, &text);
    if (!bsc_ip_parse(text, size, &target) || (memchr(text, ':', size) != NULL) != v6)
        return false;
    size = word(&at, end, &text);
    if (!is_port(text, size) || at == end)
        return false;
    return is_port(at, (size_t)(end - at));
}

static enum bsc_parse parse_v1(const char *bytes, size_t size, struct bsc_proxy_header *out)
{
    size_t seen = size < V1_BYTES_MAX ? size : V1_BYTES_MAX;
    const char *newline = memchr(bytes, '\n', seen);
    if (!newline)
        return size < V1_BYTES_MAX ? BSC_PARSE_MORE : BSC_PARSE_REFUSED;
    const char *end = newline - 1, *at = bytes + sizeof v1_begin - 1, *family;
    if (end < at || *end != '\r' || memchr(bytes, '\0', (size_t)(end - bytes)))
        return BSC_PARSE_REFUSED;
    out->bytes = (uint16_t)(newline + 1 - bytes);
    size_t length = word(&at, end, &family);
    if (length == 7 && !memcmp(family, "UNKNOWN", 7))
        return BSC_PARSE_DONE; /* whatever follows */
    bool v6 = length == 4 && !memcmp(family, "TCP6", 4);
    if (!v6 && (length != 4 || memcmp(family, "TCP4", 4) != 0))
        return BSC_PARSE_REFUSED;
    out->known = read_addresses(at, end, v6, &out->source);
    return out->known ? BSC_PARSE_DONE : BSC_PARSE_REFUSED;
}

/* -- version 2 ------------------------------------------------------------------------------- */

static void take_source(const unsigned char *address, bool v6, struct bsc_ip *out)
{
    *out = (struct bsc_ip){ { [10] = 0xff, [11] = 0xff } };
    if (v6)
        memcpy(out->bytes, address, 16);
    else
        memcpy(out->bytes + V4_AT, address, 4);
}

static enum bsc_parse parse_v2(const char *bytes, size_t size, struct bsc_proxy_header *out)
{
    const unsigned char *head = (const unsigned char *)bytes;
    if (size < V2_FIXED)
        return BSC_PARSE_MORE;
    unsigned command = head[12], family = head[13];
    size_t length = (size_t)head[14] << 8 | head[15];
    size_t needed = family == V2_TCP4 ? 12 : family == V2_TCP6 ? 36 : family == V2_UNIX ? 216 : 0;
    if ((command != V2_LOCAL && command != V2_PROXY) || V2_FIXED + length > BSC_PROXY_HEADER_BYTES)
        return BSC_PARSE_REFUSED;
    if (command == V2_PROXY && ((!needed && family != V2_UNSPECIFIED) || length < needed))
        return BSC_PARSE_REFUSED;
    if (size < V2_FIXED + length)
        return BSC_PARSE_MORE;
    out->bytes = (uint16_t)(V2_FIXED + length);
    out->known = command == V2_PROXY && (family == V2_TCP4 || family == V2_TCP6);
    if (out->known)
        take_source(head + V2_FIXED, family == V2_TCP6, &out->source);
    return BSC_PARSE_DONE;
}

enum bsc_parse bsc_proxy_header_parse(const char *bytes, size_t size, struct bsc_proxy_header *out)
{
    size_t v1 = size < sizeof v1_begin - 1 ? size : sizeof v1_begin - 1;
    size_t v2 = size < V2_SIGNATURE ? size : V2_SIGNATURE;
    *out = (struct bsc_proxy_header){ 0 };
    if (!memcmp(bytes, v1_begin, v1))
        return v1 == size ? BSC_PARSE_MORE : parse_v1(bytes, size, out);
    if (!memcmp(bytes, v2_begin, v2))
        return v2 == size ? BSC_PARSE_MORE : parse_v2(bytes, size, out);
    return BSC_PARSE_REFUSED;
}

/* -- building -------------------------------------------------------------------------------- */

static void text_of(const struct bsc_ip *ip, bool v6, char out[static INET6_ADDRSTRLEN])
{
    if (v6 && bsc_ip_is_v4(ip))
        snprintf(out, INET6_ADDRSTRLEN, "::ffff:%u.%u.%u.%u", ip->bytes[12], ip->bytes[13],
                 ip->bytes[14], ip->bytes[15]);
    else
        bsc_ip_format(ip, out);
}

static size_t build_v1(const struct bsc_proxy_way *way, bool v6, char *out)
{
    char source[INET6_ADDRSTRLEN], target[INET6_ADDRSTRLEN];
    if (!way->known)
        return (size_t)snprintf(out, BSC_PROXY_SENT_BYTES, "PROXY UNKNOWN\r\n");
    text_of(&way->source, v6, source);
    text_of(&way->target, v6, target);
    return (size_t)snprintf(out, BSC_PROXY_SENT_BYTES, "PROXY TCP%c %s %s %u %u\r\n",
                            v6 ? '6' : '4', source, target, way->source_port, way->target_port);
}

static size_t build_v2(const struct bsc_proxy_way *way, bool v6, char *out)
{
    size_t size = v6 ? 16 : 4, skipped = v6 ? 0 : V4_AT;
    size_t length = way->known ? 2 * size + 4 : 0;
    memcpy(out, v2_begin, V2_SIGNATURE);
    out[12] = (char)(way->known ? V2_PROXY : V2_LOCAL);
    out[13] = (char)(!way->known ? V2_UNSPECIFIED : v6 ? V2_TCP6 : V2_TCP4);
    out[14] = 0;
    out[15] = (char)length;
    if (!way->known)
        return V2_FIXED;
    char *at = out + V2_FIXED;
    memcpy(at, way->source.bytes + skipped, size);
    memcpy(at + size, way->target.bytes + skipped, size);
    at += 2 * size;
    at[0] = (char)(way->source_port >> 8);
    at[1] = (char)way->source_port;
    at[2] = (char)(way->target_port >> 8);
    at[3] = (char)way->target_port;
    return V2_FIXED + length;
}

size_t bsc_proxy_header_build(unsigned version, const struct bsc_proxy_way *way,
                              char out[static BSC_PROXY_SENT_BYTES])
{
    bool v6 = !bsc_ip_is_v4(&way->source) || !bsc_ip_is_v4(&way->target);
    return version == 1 ? build_v1(way, v6, out) : build_v2(way, v6, out);
}
