/* SPDX-License-Identifier: Apache-2.0
 * core/preview.c - see preview.h. */
#include "core/preview.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

bool bsc_preview_defined(const struct bsc_preview_spec *preview)
{
    return preview->host || preview->token;
}

bool bsc_preview_header_fits(const char *name)
{
    static const char *const taken[] = {
        "accept",
        "connection",
        "content-length",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-bascule-mirror",
        "x-bascule-reason",
        "x-real-ip",
        "x-request-id",
    };
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (!strcasecmp(name, taken[i]))
            return false;
    return strncasecmp(name, "x-forwarded-", 12) != 0;
}

bool bsc_preview_has_path(const struct bsc_spec *spec, unsigned route)
{
    for (unsigned i = 0; i < route; i++)
        if (!strcmp(spec->routes[i].path, spec->routes[route].path))
            return false;
    return true;
}

/* Where every address is listened at, this machine asks itself. */
static void local_address(const char *address, char out[static BSC_PREVIEW_ADDRESS_BYTES])
{
    const char *host = address, *port = strrchr(address, ':');
    int size = (int)(port - address);
    bool any4 = !strncmp(address, "0.0.0.0:", 8), any6 = !strncmp(address, "[::]:", 5);
    if (any4 || any6) {
        host = any4 ? "127.0.0.1" : "[::1]";
        size = (int)strlen(host);
    }
    snprintf(out, BSC_PREVIEW_ADDRESS_BYTES, "%.*s%s", size, host, port);
}

void bsc_preview_way(const struct bsc_spec *spec, const char *address, bool tls,
                     struct bsc_preview_way *out)
{
    const struct bsc_route *route = &spec->routes[0];
    const char *host = spec->preview.host ? spec->preview.host : route->host;
    const char *port = strrchr(address, ':');
    local_address(address, out->address);
    if (!strcmp(port, tls ? ":443" : ":80"))
        port = "";
    const char *scheme = tls ? "https" : "http";
    if (!host)
        snprintf(out->url, sizeof out->url, "%s://%.*s%s%s", scheme,
                 (int)(strrchr(out->address, ':') - out->address), out->address, port, route->path);
    else /* any name that the wildcard stands for will do */
        snprintf(out->url, sizeof out->url, "%s://%s%s%s%s", scheme,
                 host[0] == '*' ? "preview" : "", host + (host[0] == '*'), port, route->path);
}
