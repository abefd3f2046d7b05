/* SPDX-License-Identifier: Apache-2.0
 * core/configuration.h - the whole of bascule.yaml as plain data; src/config reads it.
 */
#ifndef BASCULE_CORE_CONFIGURATION_H
#define BASCULE_CORE_CONFIGURATION_H

#include "core/spec.h"

struct bsc_config {
    struct bsc_strings
        listen_http;  /* "address:port", numeric; 8080 means 0.0.0.0:8080 and [::]:8080 */
    unsigned workers; /* proxy.workers; default: the cores */
    unsigned port_low, port_high; /* for instances */
    unsigned service_count;
    struct bsc_spec *const *services; /* sorted by name */
    struct bsc_arena arena;           /* owns the above; the specifications are counted */
};

#endif
