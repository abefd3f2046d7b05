/* SPDX-License-Identifier: Apache-2.0
 * ports/runtime.h - what the engine needs from whatever runs instances and hooks.
 *
 * Every call returns at once; results come back as events. Every call is idempotent: starting what
 * runs answers STARTED again, stopping what is gone answers EXITED. An instance that exits without
 * being asked is told as EXITED with token 0.
 */
#ifndef BASCULE_PORTS_RUNTIME_H
#define BASCULE_PORTS_RUNTIME_H

#include <stddef.h>

#include "ports/event.h"

/* Everything expanded; borrowed during the call only. */
struct bsc_launch {
    const char *id; /* of the instance or hook: a-z 0-9 and '-' */
    struct bsc_strings argv;
    struct bsc_strings environment; /* NAME=VALUE, the service's own and bascule's */
    struct bsc_strings env_files;   /* read now; what `environment` names wins */
    const char *directory;          /* NULL: the state directory */
    const char *user;               /* NULL: the daemon's */
    unsigned port;                  /* must be free; 0: none */
    /* A container, with what it is made of; NULL: a process. `directory` is then within it. */
    const struct bsc_container_spec *container;
    const char *image;          /* what an earlier start of the release resolved; NULL: none did */
    const char *service, *slot; /* containers: for labels */
    uint64_t release;           /* likewise */
    unsigned position;          /* likewise, from 0 */
    int64_t grace_ms;           /* between TERM and KILL whenever it is stopped */
    int64_t timeout_ms;         /* hooks: stopped after that long; 0: never */
};

struct bsc_runtime_ops {
    const char *name;
    /* STARTED (pid; address and image, where this is how they become known), or EXITED with a
     * status and text when it could not be started (status BSC_EXISTS: the port is in use). Until
     * then STARTING may tell how far it is. A hook's end is its EXITED, too. */
    void (*start)(void *self, const struct bsc_launch *launch, bsc_token token);
    /* EXITED when the whole tree is gone. */
    void (*stop)(void *self, const char *id, int64_t grace_ms, bsc_token token);
    /* LISTED: all that this runtime has, running or exited and not yet forgotten. Starts watching
     * what runs. The way back after a crash. */
    void (*list)(void *self, bsc_token token);
    /* Forgets a finished instance or hook and its output. No answer. */
    void (*forget)(void *self, const char *id);
    /* The last lines of output, at most size-1 bytes, cut at line borders; "" when there is none.
     */
    void (*tail)(void *self, const char *id, char *out, size_t size);
};

struct bsc_runtime {
    const struct bsc_runtime_ops *ops;
    void *self;
};

#endif
