/* SPDX-License-Identifier: Apache-2.0
 * core/wish.h - how one deployment differs from what the file says, and the words for shares.
 *
 * Pure. What a deployment wishes is stored with its release, as if the file had said so.
 */
#ifndef BASCULE_CORE_WISH_H
#define BASCULE_CORE_WISH_H

#include "core/spec.h"

struct bsc_deploy_wish {
    bool has_strategy, has_bake;
    enum bsc_strategy strategy;
    int64_t bake_ms;
    struct bsc_canary_steps steps; /* none: as the file says */
    const char *match;             /* as bsc_match_parse reads it; NULL: as the file says */
};

/* BSC_INVALID: it fits neither itself nor the file. */
enum bsc_status bsc_deploy_wish_apply(const struct bsc_deploy_wish *wish, struct bsc_spec *spec,
                                      struct bsc_error *error) BSC_MUST_CHECK;

/* "5", "0.01%", "12.5 %": a share of more than nothing and less than the whole, in basis points. */
bool bsc_share_parse(const char *text, size_t size, unsigned *out_bp);
enum { BSC_SHARE_BYTES = 16 };
const char *bsc_share_format(unsigned share_bp, char out[static BSC_SHARE_BYTES]); /* "12.5%" */

/* "5,25%, 50": rising shares, between commas. BSC_INVALID says which is wrong and what is accepted.
 */
enum bsc_status bsc_canary_steps_parse(const char *text, struct bsc_canary_steps *out,
                                       struct bsc_error *error) BSC_MUST_CHECK;
/* Appends one; false: it does not rise, or there are too many. */
bool bsc_canary_steps_add(struct bsc_canary_steps *steps, unsigned share_bp);

#endif
