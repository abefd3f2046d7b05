/* SPDX-License-Identifier: Apache-2.0
 * base/suggest.h - "did you mean ...?"
 *
 * Pure. Kept are the words that what was typed is the beginning of; when there are none, the
 * nearest ones that are at most two typing errors away (optimal string alignment: insertion,
 * deletion, replacement, swapped neighbours).
 */
#ifndef BASCULE_BASE_SUGGEST_H
#define BASCULE_BASE_SUGGEST_H

#include "base/text.h"

struct bsc_suggestions {
    const char *typed;
    unsigned count;
    unsigned distance;    /* of those kept; 0: they begin with what was typed */
    struct bsc_text text; /* "deploy", "deploy or plan", "serve, status or stop" */
    const char *last;
};

void bsc_suggest_begin(struct bsc_suggestions *suggestions, const char *typed);
/* Each candidate once; `candidate` must live until the end. */
void bsc_suggest_offer(struct bsc_suggestions *suggestions, const char *candidate);
/* "; did you mean A or B?", or "" when nothing is near. Valid until bsc_suggest_deinit. */
const char *bsc_suggest_end(struct bsc_suggestions *suggestions);
void bsc_suggest_deinit(struct bsc_suggestions *suggestions);

/* Counted in single typing errors; words longer than 32 bytes are `32` apart. */
unsigned bsc_suggest_distance(const char *a, const char *b);

#endif
