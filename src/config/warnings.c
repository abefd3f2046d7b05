/* SPDX-License-Identifier: Apache-2.0
 * config/warnings.c - what a configuration may say, and had better not. */
#include <stdio.h>

#include "config/problems.h"

void bsc_config_warn(const struct bsc_config *config, const char *file,
                     struct bsc_config_problems *warnings)
{
    for (unsigned i = 0; i < config->service_count; i++) {
        const struct bsc_upstream_tls_spec *tls = bsc_upstream_tls(config->services[i]);
        char key[BSC_NAME_MAX + 64];
        snprintf(key, sizeof key, "services.%s.upstream_tls.verify", config->services[i]->name);
        if (tls && !tls->verify)
            bsc_problem_add(warnings, file, 0, key,
                            "is false: whoever gets between the proxy and an instance can read and "
                            "change everything");
    }
}
