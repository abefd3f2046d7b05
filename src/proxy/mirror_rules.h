/* SPDX-License-Identifier: Apache-2.0
 * proxy/mirror_rules.h - what of a service's requests is copied to its candidate, and what of the
 * answers is compared. A part of struct bsc_service: immutable, and freed with it.
 */
#ifndef BASCULE_PROXY_MIRROR_RULES_H
#define BASCULE_PROXY_MIRROR_RULES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "core/slots.h"

enum { BSC_MIRROR_BODY_MAX = 64 * 1024 };

enum bsc_mirror_body { BSC_MIRROR_JSON, BSC_MIRROR_BYTES, BSC_MIRROR_NOTHING };

struct bsc_words {
    unsigned count;
    char **items;
};

struct bsc_mirror_rules {
    uint64_t id;        /* of the rollout, for the controller */
    enum bsc_slot slot; /* the candidate's */
    unsigned share_bp;
    bool status; /* is compared */
    bool learn;  /* what differs is asked of the live version once more */
    enum bsc_mirror_body body;
    uint32_t body_bytes; /* a longer request or answer is not compared */
    struct bsc_words methods, headers, ignored;
};

/* NULL in *out when `object` is: nothing is copied. */
enum bsc_status bsc_mirror_rules_parse(const json_t *object, struct bsc_mirror_rules **out,
                                       struct bsc_error *error) BSC_MUST_CHECK;
void bsc_mirror_rules_destroy(struct bsc_mirror_rules *rules); /* NULL is allowed */

#endif
