/* SPDX-License-Identifier: Apache-2.0
 * proxy/proxy_protocol.h - the PROXY protocol, versions 1 and 2: how a proxy that passes
 * connections on says whose they are (HAProxy, doc/proxy-protocol.txt). Pure.
 *
 * Strict: what is no header of either version is refused, because it would be read as a request, or
 * a request as a header. Of version 2 the extensions (TLVs) are skipped, their checksum included:
 * TCP has one of its own. Headers of more than BSC_PROXY_HEADER_BYTES are refused.
 */
#ifndef BASCULE_PROXY_PROXY_PROTOCOL_H
#define BASCULE_PROXY_PROXY_PROTOCOL_H

#include "base/network.h"
#include "proxy/http1.h"

enum {
    BSC_PROXY_HEADER_BYTES = 4096,
    BSC_PROXY_SENT_BYTES = 108 /* the longest that is built */
};

struct bsc_proxy_header {
    uint16_t bytes; /* the connection's own begin behind them */
    bool known;     /* else the connection is the proxy's own (a health check), or not of TCP */
    struct bsc_ip source;
};

enum bsc_parse bsc_proxy_header_parse(const char *bytes, size_t size, struct bsc_proxy_header *out);

struct bsc_proxy_way {
    bool known;
    struct bsc_ip source, target;
    uint16_t source_port, target_port;
};
/* `version` 1 or 2; returns the number of bytes. */
size_t bsc_proxy_header_build(unsigned version, const struct bsc_proxy_way *way,
                              char out[static BSC_PROXY_SENT_BYTES]);

#endif
