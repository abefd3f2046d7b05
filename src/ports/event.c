/* SPDX-License-Identifier: Apache-2.0
 * ports/event.c - see event.h. */
#include "ports/event.h"

#include <string.h>

static const char *const traffic_names[] = {
    [BSC_TRAFFIC_SERVE] = "serve",
    [BSC_TRAFFIC_HOLD] = "hold",
    [BSC_TRAFFIC_MAINTENANCE] = "maintenance",
    [BSC_TRAFFIC_STOP] = "stop",
};

const char *bsc_traffic_name(enum bsc_traffic traffic)
{
    return traffic_names[traffic];
}

bool bsc_traffic_parse(const char *name, enum bsc_traffic *out)
{
    for (unsigned i = 0; i < sizeof traffic_names / sizeof *traffic_names; i++)
        if (!strcmp(name, traffic_names[i])) {
            *out = (enum bsc_traffic)i;
            return true;
        }
    return false;
}
