/* SPDX-License-Identifier: Apache-2.0
 * adapters/user_hash.h - who somebody is in a rollout, as the proxies have it.
 */
#ifndef BASCULE_ADAPTERS_USER_HASH_H
#define BASCULE_ADAPTERS_USER_HASH_H

#include <stdint.h>

/* `key` is a rollout's affinity key in hexadecimal, or "" for zeros; `identity` the value of the
 * cookie or the header. */
uint64_t bsc_user_hash(const char *key, const char *identity);

#endif
