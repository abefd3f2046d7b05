/* SPDX-License-Identifier: Apache-2.0
 * config/address.h - host names and socket addresses as they are written in a file.
 */
#ifndef BASCULE_CONFIG_ADDRESS_H
#define BASCULE_CONFIG_ADDRESS_H

#include <stdbool.h>

#include "base/arena.h"

/* A port number, 0 when `text` is none. */
unsigned bsc_port_parse(const char *text);

/* "127.0.0.1:80" and "[::1]:80" in their canonical form; "localhost" counts as 127.0.0.1. NULL when
 * it is no numeric address with a port. */
const char *bsc_endpoint_parse(struct bsc_arena *arena, const char *text);

/* A host name or address in lower case, with neither port nor wildcard. */
bool bsc_host_check(const char *host);

#endif
