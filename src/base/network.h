/* SPDX-License-Identifier: Apache-2.0
 * base/network.h - addresses of the Internet and ranges of them (CIDR, RFC 4632). Pure.
 *
 * An IPv4 address is kept in its IPv6 form (::ffff:a.b.c.d), so there is one way to compare.
 */
#ifndef BASCULE_BASE_NETWORK_H
#define BASCULE_BASE_NETWORK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct bsc_ip {
    uint8_t bytes[16]; /* all zero: not known */
};

struct bsc_network {
    struct bsc_ip ip;
    uint8_t bits; /* of 128 */
};

/* "192.0.2.1", "2001:db8::1", without port, brackets or zone. */
bool bsc_ip_parse(const char *text, size_t size, struct bsc_ip *out);
/* As bsc_ip_parse, and with a port: "192.0.2.1:80", "[2001:db8::1]:80", "[2001:db8::1]". */
bool bsc_ip_parse_node(const char *text, size_t size, struct bsc_ip *out);
void bsc_ip_format(const struct bsc_ip *ip, char out[static INET6_ADDRSTRLEN]);
/* "unknown" where that is none of the Internet's. */
void bsc_ip_of(const struct sockaddr *address, char out[static INET6_ADDRSTRLEN]);
bool bsc_ip_is_v4(const struct bsc_ip *ip);
/* Whom a limit is for: the address, or of IPv6 the /64, which is one subscriber's. */
struct bsc_ip bsc_ip_subscriber(const struct bsc_ip *ip);

/* "10.0.0.0/8", "2001:db8::/32", or one address. False, too, when bits are set behind the prefix.
 */
bool bsc_network_parse(const char *text, struct bsc_network *out);
bool bsc_network_has(const struct bsc_network *network, const struct bsc_ip *ip);
bool bsc_networks_have(const struct bsc_network *networks, unsigned count, const struct bsc_ip *ip);

#endif
