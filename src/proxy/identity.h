/* SPDX-License-Identifier: Apache-2.0
 * proxy/identity.h - who sends a request, as a number; which bucket of a rollout that is; and the
 * cookie that gives a client an identity of its own. Pure.
 *
 * An identity is a keyed hash (SipHash-2-4) of a text, under a key that is always the same: so
 * every worker and every proxy sends it to the same instance, also after a restart. Which slot it
 * belongs to is a second hash of that, under the key of the rollout: 10,000 buckets, of which the
 * lowest ones belong to green, so that who is in at 5 % stays in at 25 %, and the next rollout
 * draws anew.
 */
#ifndef BASCULE_PROXY_IDENTITY_H
#define BASCULE_PROXY_IDENTITY_H

#include "proxy/http1.h"
#include "proxy/model.h"

enum {
    BSC_IDENTITY_NAME_MAX = 64,  /* of a header or a cookie */
    BSC_COOKIE_TAIL_MAX = 320,   /* the attributes */
    BSC_COOKIE_VALUE_BYTES = 16, /* of a cookie of ours, in hexadecimal digits */
    BSC_COOKIE_LINE_BYTES = 512  /* a whole Set-Cookie line is never longer */
};

uint64_t bsc_identity_hash(const char *bytes, size_t size);
uint64_t bsc_identity_hash_text(const char *text);
/* Of a numeric address; of IPv6 the /64, in which a device changes its address every day (RFC
 * 8981).
 */
uint64_t bsc_identity_hash_client(const char *address);

/* Number `index` of the places on a ring of an instance with that hash. */
uint32_t bsc_identity_point(uint64_t hash, unsigned index);

/* Who that is in a rollout, whose key this is; and the bucket of such a number, 0 .. 9999. */
uint64_t bsc_identity_user(const unsigned char key[BSC_KEY_BYTES], uint64_t identity);
unsigned bsc_identity_bucket_of(uint64_t user);
/* Both in one. */
unsigned bsc_identity_bucket(const unsigned char key[BSC_KEY_BYTES], uint64_t identity);

/* Finds the identity that the service asks for in a request. False: the request has none. */
bool bsc_identity_of(const struct bsc_service *service, const struct bsc_request *request,
                     const char *bytes, const char *client_address, uint64_t *out);

/* The identity that a cookie of ours with that number is, once it comes back. */
uint64_t bsc_identity_of_cookie(uint64_t number);
/* Writes the line that gives it to the client; returns its size. */
size_t bsc_identity_cookie_line(const struct bsc_service *service, uint64_t number,
                                char out[static BSC_COOKIE_LINE_BYTES]);
/* May this answer carry it? Not one that says that shared caches keep it. */
bool bsc_identity_may_set_cookie(const struct bsc_response *response, const char *bytes);

#endif
