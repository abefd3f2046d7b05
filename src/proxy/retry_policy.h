/* SPDX-License-Identifier: Apache-2.0
 * proxy/retry_policy.h - which requests of a service may be sent twice, and after what.
 */
#ifndef BASCULE_PROXY_RETRY_POLICY_H
#define BASCULE_PROXY_RETRY_POLICY_H

#include <jansson.h>

#include "base/error.h"

/* A bit each. */
enum bsc_retry_on {
    BSC_RETRY_CONNECT = 1 << 0,
    BSC_RETRY_RESET = 1 << 1, /* before the first byte of an answer */
    BSC_RETRY_TIMEOUT = 1 << 2,
    BSC_RETRY_502 = 1 << 3,
    BSC_RETRY_503 = 1 << 4,
    BSC_RETRY_504 = 1 << 5
};

/* What is not idempotent (RFC 9110 section 9.2.2): POST and PATCH. */
enum bsc_retry_unsafe {
    BSC_RETRY_UNSAFE_NEVER,
    BSC_RETRY_UNSAFE_KEYED, /* when it has an Idempotency-Key field */
    BSC_RETRY_UNSAFE_ALWAYS
};

enum { BSC_RETRY_BODY_MAX = 64 * 1024, BSC_RETRY_ATTEMPTS_MAX = 10 };

struct bsc_retry_policy {
    unsigned attempts;   /* in all */
    unsigned on;         /* enum bsc_retry_on */
    unsigned body_bytes; /* a longer body is not kept: its request is sent once */
    enum bsc_retry_unsafe unsafe;
};

/* Reads the value of "retry" in a service's line, or NULL: the defaults. */
enum bsc_status bsc_retry_policy_parse(const json_t *object, struct bsc_retry_policy *out,
                                       struct bsc_error *error) BSC_MUST_CHECK;

#endif
