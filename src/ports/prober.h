/* SPDX-License-Identifier: Apache-2.0
 * ports/prober.h - one health probe of one instance. The engine says when; core/health judges.
 */
#ifndef BASCULE_PORTS_PROBER_H
#define BASCULE_PORTS_PROBER_H

#include "ports/event.h"

struct bsc_probe {
    const char *id;      /* of the instance */
    const char *address; /* "127.0.0.1:31001", "[::1]:80", "unix:/path" */
    const struct bsc_health_spec *health;
    enum bsc_speech speech;                  /* HTTP probes of the instance's own port ... */
    const struct bsc_upstream_tls_spec *tls; /* ... over TLS, or NULL: without */
    struct bsc_strings environment;          /* COMMAND probes: what the instance itself got */
    const char *directory, *user;            /* COMMAND probes: as the instance */
};

struct bsc_prober_ops {
    const char *name;
    /* PROBED within health->timeout_ms, always. The answer's body is bounded, redirects are not
     * followed. `probe` and what it points to is borrowed during the call. */
    void (*probe)(void *self, const struct bsc_probe *probe, bsc_token token);
    /* No PROBED for this token any more. */
    void (*cancel)(void *self, bsc_token token);
};

struct bsc_prober {
    const struct bsc_prober_ops *ops;
    void *self;
};

#endif
