/* SPDX-License-Identifier: Apache-2.0
 * core/query.h - what the answers of an external source say about a rollout. Pure.
 *
 * A query is asked again and again while a version is watched. Each answer is a pass, a failure, or
 * none: nothing could be read. No answer is never a pass. What follows from one is for the query to
 * say (enum bsc_query_on_error): the bake waits for answers, it counts as a failure, or nothing.
 */
#ifndef BASCULE_CORE_QUERY_H
#define BASCULE_CORE_QUERY_H

#include <stddef.h>

#include "core/spec.h"

/* "< 0.01", "<= 5", "> 0", ">= 99.9", "== 1", or a range with both ends: "0.5 .. 2". */
bool bsc_accept_parse(const char *text, struct bsc_accept *out);
bool bsc_accepts(const struct bsc_accept *accept, double number); /* never NaN */

enum bsc_answer_kind {
    BSC_ANSWER_NONE,   /* nothing could be read: `text` says why */
    BSC_ANSWER_NUMBER, /* `number` */
    BSC_ANSWER_VERDICT /* `passed`, and `text` */
};

struct bsc_answer_read {
    enum bsc_answer_kind kind;
    double number;
    bool passed;
    const char *text; /* for people; may be NULL with a number */
};

enum { BSC_QUERY_TEXT_BYTES = 160 };

/* How it stands in one bake or gate. All zero: nothing was asked. */
struct bsc_query_tally {
    unsigned passed, failed, silent; /* answers; NONE counts as silent, or failed, by on_error */
    bool known;                      /* `number` is the newest answer's */
    double number;
    char last[BSC_QUERY_TEXT_BYTES]; /* what the newest answer was, in words; "" before one */
};

enum bsc_query_state {
    BSC_QUERY_OPEN,   /* it has not said enough */
    BSC_QUERY_PASSED, /* often enough; or it need not say anything */
    BSC_QUERY_FAILED
};

void bsc_query_take(struct bsc_query_tally *tally, const struct bsc_query_spec *spec,
                    const struct bsc_answer_read *answer);
/* Of a dry run never FAILED, and never OPEN. */
enum bsc_query_state bsc_query_state(const struct bsc_query_tally *tally,
                                     const struct bsc_query_spec *spec);
/* The same as if it were no dry run, for people. */
enum bsc_query_state bsc_query_finding(const struct bsc_query_tally *tally,
                                       const struct bsc_query_spec *spec);
/* Of one that is asked no longer than it must be: what need not say anything is heard `count` times
 * all the same, so that one answer that did not come is not the end of it. */
enum bsc_query_state bsc_query_heard(const struct bsc_query_tally *tally,
                                     const struct bsc_query_spec *spec);
/* "0.12 is not < 0.01, 3 of 3 failures" */
void bsc_query_standing(const struct bsc_query_tally *tally, const struct bsc_query_spec *spec,
                        char *out, size_t size);
/* "error-ratio: 0.12 is not < 0.01, 3 of 3 failures" */
void bsc_query_text(const struct bsc_query_tally *tally, const struct bsc_query_spec *spec,
                    char *out, size_t size);
const char *bsc_query_state_name(enum bsc_query_state state); /* "open", "passed", "failed" */

#endif
