/* SPDX-License-Identifier: Apache-2.0
 * proxy/forwarded.h - what the fields of a request say about its way here. Pure.
 */
#ifndef BASCULE_PROXY_FORWARDED_H
#define BASCULE_PROXY_FORWARDED_H

#include "base/network.h"
#include "proxy/http1.h"

enum { BSC_TRACEPARENT_BYTES = 56 }; /* "00-" 32 "-" 16 "-" 2, and NUL */

/* The first field of that kind that goes on: neither an alias nor named by Connection. NULL: none.
 */
const struct bsc_field *bsc_forwarded_field(const struct bsc_head *head, enum bsc_field_id id);

/* The client behind the trusted proxies: the right-most address of X-Forwarded-For that is not
 * trusted, or the left-most when all are. What stands left of it may be invented. *ip is the peer,
 * which is trusted, and stays when the field says nothing that can be read. */
void bsc_forwarded_client(const struct bsc_request *request, const char *bytes,
                          const struct bsc_network *trusted, unsigned count, struct bsc_ip *ip);

/* Does it carry one valid traceparent (W3C Trace Context, section 3.2)? */
bool bsc_traceparent_valid(const struct bsc_request *request, const char *bytes);
/* A new one; flags 01: who made it recorded it, 00: nobody did. The ids must not be zero. */
void bsc_traceparent_write(const uint64_t trace[2], uint64_t parent, bool sampled,
                           char out[static BSC_TRACEPARENT_BYTES]);

#endif
