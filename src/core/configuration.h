/* SPDX-License-Identifier: Apache-2.0
 * core/configuration.h - the whole of bascule.yaml as plain data; src/config reads it.
 */
#ifndef BASCULE_CORE_CONFIGURATION_H
#define BASCULE_CORE_CONFIGURATION_H

#include "core/spec.h"

/* What happens when the proxy cannot give up its privileges. */
enum bsc_sandbox { BSC_SANDBOX_REQUIRED, BSC_SANDBOX_PREFERRED, BSC_SANDBOX_OFF };

/* What a request gets that carries no trace context (W3C), or an invalid one. */
enum bsc_trace {
    BSC_TRACE_SAMPLED,   /* a new one, with the flag that it is recorded */
    BSC_TRACE_UNSAMPLED, /* a new one without it */
    BSC_TRACE_PASS       /* what is there goes on as it is */
};

enum bsc_access_log_format { BSC_ACCESS_LOG_JSON, BSC_ACCESS_LOG_COMBINED };

struct bsc_certificate_files {
    const char *chain, *key; /* paths of files in PEM form */
};

enum bsc_tls_minimum { BSC_TLS_1_2, BSC_TLS_1_3 };
enum bsc_client_verify {
    BSC_CLIENT_VERIFY_NONE,
    BSC_CLIENT_VERIFY_OPTIONAL,
    BSC_CLIENT_VERIFY_REQUIRE
};

/* tls: what is spoken at listen.https. */
struct bsc_tls_spec {
    unsigned certificate_count;
    const struct bsc_certificate_files *certificates; /* the first is for all other names */
    enum bsc_tls_minimum minimum;
    const char *client_ca; /* path; NULL: clients are not asked for certificates */
    enum bsc_client_verify client_verify;
    bool redirect; /* plain HTTP is sent to HTTPS */
};

/* proxy: what holds for the whole proxy, whatever the service. */
struct bsc_proxy_spec {
    unsigned workers; /* default: the cores */
    enum bsc_sandbox sandbox;
    const char *user;       /* whom a proxy of root's becomes; NULL: bascule or nobody */
    const char *access_log; /* path; "-": standard output; NULL: none */
    enum bsc_access_log_format access_format;
    unsigned access_anonymous; /* 0 or 1: addresses are cut */
    int64_t drain_ms;          /* a proxy that is replaced may go on so long */
    int64_t head_ms, keep_alive_ms, tunnel_ms, linger_ms;
    int64_t pooled_ms;   /* of a connection to an instance that waits for the next request ... */
    unsigned pooled_max; /* ... of which so many are kept, to each instance, in each worker */
    unsigned connections_max;         /* of clients; 0: as many as there are descriptors for */
    unsigned address_connections_max; /* of one client; 0: no limit */
    unsigned requests_max;            /* on one connection; 0: no limit */
    unsigned streams_max;             /* at once on one connection of HTTP/2 */
    int64_t head_bytes, line_bytes;
    unsigned fields_max;
    int64_t body_bytes;         /* of a request; 0: no limit */
    int64_t body_rate;          /* bytes a second that a body must come with; 0: any */
    int64_t read_rate;          /* ... that a client must read an answer with; 0: any */
    int64_t rate_grace_ms;      /* how long either may be slower */
    int64_t request_ms;         /* for a request to arrive whole; 0: any */
    int64_t buffer_bytes;       /* for all that is under way */
    struct bsc_strings trusted; /* networks of proxies before us: "10.0.0.0/8" */
    enum bsc_trace trace;
    struct bsc_error_pages error_pages;
};

struct bsc_config {
    struct bsc_strings
        listen_http; /* "address:port", numeric; 8080 means 0.0.0.0:8080 and [::]:8080 */
    struct bsc_strings listen_introduced; /* of all addresses: there the PROXY protocol is spoken */
    struct bsc_strings listen_https;      /* likewise; none is none */
    struct bsc_tls_spec tls;
    struct bsc_proxy_spec proxy;
    unsigned port_low, port_high; /* for instances */
    unsigned service_count;
    struct bsc_spec *const *services; /* sorted by name */
    struct bsc_arena arena;           /* owns the above; the specifications are counted */
};

#endif
