/* SPDX-License-Identifier: Apache-2.0
 * ports/query.h - one question to something outside about a version: Prometheus, a command, HTTP.
 *
 * The engine says when; core/query.h says what an answer means.
 */
#ifndef BASCULE_PORTS_QUERY_H
#define BASCULE_PORTS_QUERY_H

#include "core/query.h"
#include "ports/event.h"

struct bsc_question {
    const struct bsc_query_spec *spec; /* with all variables expanded */
    const char *id;                    /* of whom it is asked: for a command's life */
    struct bsc_strings environment;    /* COMMAND: as a hook's */
    const char *directory, *user;      /* COMMAND: as the service's */
};

struct bsc_query_ops {
    const char *name;
    /* Returns at once; ANSWERED within spec->timeout_ms and a moment, always. `question` and what
     * it points to is borrowed during the call. */
    void (*ask)(void *self, const struct bsc_question *question, bsc_token token);
    /* No ANSWERED for this token any more. */
    void (*cancel)(void *self, bsc_token token);
};

struct bsc_query_port {
    const struct bsc_query_ops *ops;
    void *self;
};

#endif
