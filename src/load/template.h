/* SPDX-License-Identifier: Apache-2.0
 * load/template.h - texts of a scenario that differ from request to request.
 *
 * "${random:1-1000}" a whole number, "${choice:a,b,c}" one of the words, "${user}" the number of
 * the user from 1, "${NAME}" what the log-in kept under that name; "$${" is a literal "${". Pure.
 */
#ifndef BASCULE_LOAD_TEMPLATE_H
#define BASCULE_LOAD_TEMPLATE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"

/* How what came from outside is written, so that it can't become something else. */
enum bsc_load_escape {
    BSC_LOAD_AS_IS,  /* in a body of text */
    BSC_LOAD_TARGET, /* percent-encoded */
    BSC_LOAD_FIELD,  /* in a header: without control characters */
    BSC_LOAD_JSON,   /* inside a string of JSON */
};

enum { BSC_LOAD_KEPT_MAX = 8 };

struct bsc_load_part;

struct bsc_load_template {
    enum bsc_load_escape escape;
    unsigned count;
    const struct bsc_load_part *parts;
};

/* What the variables stand for, of one user. */
struct bsc_load_values {
    uint64_t *random; /* state of bsc_load_random, shared by all users */
    unsigned user;
    const char *kept[BSC_LOAD_KEPT_MAX]; /* by the index of the name; NULL: "" */
};

/* The next of a sequence that `state` is the seed of (SplitMix64, Steele and others 2014). */
uint64_t bsc_load_random(uint64_t *state);
/* low .. high, both included */
uint64_t bsc_load_random_between(uint64_t *state, uint64_t low, uint64_t high);

/* `names` are the `name_count` names that may be kept. Fails with BSC_INVALID on anything else, and
 * says what is accepted. */
enum bsc_status bsc_load_compile(struct bsc_arena *arena, const char *text,
                                 enum bsc_load_escape escape, const char *const *names,
                                 unsigned name_count, struct bsc_load_template *out,
                                 struct bsc_error *error) BSC_MUST_CHECK;

void bsc_load_render(const struct bsc_load_template *template, const struct bsc_load_values *values,
                     struct bsc_text *out);

/* True for one "${random:...}" and nothing around it: in JSON, a number. */
bool bsc_load_is_number(const char *text);

#endif
