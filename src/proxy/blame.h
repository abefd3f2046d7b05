/* SPDX-License-Identifier: Apache-2.0
 * proxy/blame.h - which answers of an instance are errors: what a service's `errors:` says.
 *
 * By their status; some statuses only below a path, and some not there. What an instance did not
 * answer (it reset, took too long, was not there) is an error whatever is said here. The same rule
 * holds for both slots.
 *
 * The path is known when a request comes and the status when it ends, so the place of the path's
 * rule is remembered between. When the rules change meanwhile another one may stand there: it is
 * a rule of the same service.
 */
#ifndef BASCULE_PROXY_BLAME_H
#define BASCULE_PROXY_BLAME_H

#include <jansson.h>

#include "base/error.h"
#include "base/statuses.h"

enum { BSC_BLAME_PATHS_MAX = 64 };

struct bsc_blame_path {
    char *prefix; /* without "/" at its end */
    size_t size;
    struct bsc_statuses statuses; /* all that are errors here */
};

struct bsc_blame {
    struct bsc_statuses anywhere;
    unsigned path_count;
    struct bsc_blame_path *paths; /* the longest first */
};

/* Reads the value of "errors" in a service's line, or NULL: from 500 on. *out is to be deinited in
 * any case. */
enum bsc_status bsc_blame_parse(const json_t *object, struct bsc_blame *out,
                                struct bsc_error *error) BSC_MUST_CHECK;
void bsc_blame_deinit(struct bsc_blame *blame);

/* The rule for this path; `target` as in struct bsc_request. */
unsigned bsc_blame_find(const struct bsc_blame *blame, const char *target, size_t size);

static inline bool bsc_blame_has(const struct bsc_blame *blame, unsigned rule, unsigned status)
{
    bool special = rule && rule <= blame->path_count;
    return bsc_statuses_have(special ? &blame->paths[rule - 1].statuses : &blame->anywhere, status);
}

#endif
