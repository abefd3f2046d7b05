/* SPDX-License-Identifier: Apache-2.0
 * supervisor/address.h - numeric listening addresses: "host:port", "[v6]:port".
 */
#ifndef BASCULE_SUPERVISOR_ADDRESS_H
#define BASCULE_SUPERVISOR_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/error.h"

enum { BSC_ADDRESS_BYTES = 64 };

/* Port 0 is not accepted: the caller would never learn which one it became. */
enum bsc_status bsc_address_parse(const char *text, struct sockaddr_storage *out, socklen_t *size,
                                  struct bsc_error *error) BSC_MUST_CHECK;
unsigned bsc_address_port(const struct sockaddr_storage *address);
bool bsc_address_equal(const struct sockaddr_storage *a, const struct sockaddr_storage *b);
/* 0.0.0.0 or [::]. */
bool bsc_address_is_any(const struct sockaddr_storage *address);

#endif
