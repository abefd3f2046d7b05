/* SPDX-License-Identifier: Apache-2.0
 * ports/notifier.h - how the engine speaks: answers to commands, and news for whoever listens.
 *
 * Called only after what is told is durable.
 */
#ifndef BASCULE_PORTS_NOTIFIER_H
#define BASCULE_PORTS_NOTIFIER_H

#include "ports/event.h"
#include "ports/store.h"

struct bsc_reply {
    enum bsc_status status;
    const char *text;         /* what went wrong, or what was done */
    uint64_t rollout;         /* the rollout that the command began or acted on; 0: none */
    const char *const *lines; /* APPLY: what changed; CHECK: a line per instance */
    unsigned line_count;
};

struct bsc_notifier_ops {
    const char *name;
    void (*reply)(void *self, bsc_token token, const struct bsc_reply *reply);
    /* One new audit entry. */
    void (*audit)(void *self, const struct bsc_audit_row *row);
    /* Something of this service that status shows has changed (state, health, step). */
    void (*changed)(void *self, const char *service);
};

struct bsc_notifier {
    const struct bsc_notifier_ops *ops;
    void *self;
};

#endif
