/* SPDX-License-Identifier: Apache-2.0
 * adapters/user_hash.c - see user_hash.h, and proxy/identity.h. */
#include "adapters/user_hash.h"

#include <sodium.h>
#include <string.h>

#include "proxy/counters.h"

static uint64_t hash(const void *bytes, size_t size, const unsigned char *key)
{
    unsigned char out[crypto_shorthash_BYTES];
    uint64_t value;
    crypto_shorthash(out, bytes, size, key);
    memcpy(&value, out, sizeof value);
    return value;
}

uint64_t bsc_user_hash(const char *key, const char *identity)
{
    unsigned char rollout[crypto_shorthash_KEYBYTES] = { 0 };
    uint64_t person = hash(identity, strlen(identity), (const unsigned char *)BSC_IDENTITY_KEY);
    (void)sodium_hex2bin(rollout, sizeof rollout, key, strlen(key), NULL, NULL, NULL);
    return hash(&person, sizeof person, rollout);
}
