/* SPDX-License-Identifier: Apache-2.0
 * adapters/tracked.h - one instance or hook that runs, from its start or adoption to its end.
 *
 * Part of runtime_process: the runtime's own data and the life of one process. A process is tracked
 * as long as something of it may live; what has ended is only in its directory.
 *
 *   FINDING   somebody holds the lock, the state file does not (yet) prove who
 *   STARTING  the shim is known, the command does not run yet
 *   RUNNING   it runs
 *   SWEEPING  the shim died before it could end its tree; what is left is being killed
 */
#ifndef BASCULE_ADAPTERS_TRACKED_H
#define BASCULE_ADAPTERS_TRACKED_H

#include <uv.h>

#include "adapters/outbox.h"
#include "adapters/shim_directory.h"
#include "adapters/shim_process.h"
#include "base/list.h"

struct bsc_tokens {
    bsc_token *items;
    size_t count, capacity;
};

struct bsc_runtime_process {
    uv_loop_t *loop;
    struct bsc_outbox *outbox;
    uv_timer_t *timer; /* fires at the earliest due_ms */
    int instances;     /* STATE/instances */
    char *path, *shim;
    char boot_id[BSC_BOOT_ID_MAX];
    struct bsc_list tracked;
    struct bsc_tokens lists; /* who waits for LISTED */
};

enum bsc_track_phase {
    BSC_TRACK_FINDING,
    BSC_TRACK_STARTING,
    BSC_TRACK_RUNNING,
    BSC_TRACK_SWEEPING
};

struct bsc_tracked {
    struct bsc_list link;
    struct bsc_runtime_process *runtime;
    char *id, *path;
    enum bsc_track_phase phase;
    struct bsc_shim_handle shim; /* pidfd -1: not known */
    uv_poll_t *poll;             /* of the pidfd */
    uv_fs_event_t *watch;        /* of the directory, until it runs */
    int64_t pid;                 /* of the command, once it runs */
    struct bsc_tokens starts, stops;
    bool stopping, heard;  /* asked to stop; the shim was told */
    unsigned clean_sweeps; /* in a row */
    int64_t grace_ms;
    int64_t kill_at_ms;  /* stopping: then the shim is killed */
    int64_t patience_ms; /* FINDING, STARTING: then it is told as it stands */
    int64_t due_ms;      /* look again */
};

void bsc_tokens_add(struct bsc_tokens *tokens, bsc_token token);

/* Begins to track; call bsc_tracked_advance next. `shim` NULL: find it. */
struct bsc_tracked *bsc_tracked_create(struct bsc_runtime_process *runtime, const char *id,
                                       const struct bsc_shim_handle *shim);
/* Forgets the process without touching it. */
void bsc_tracked_destroy(struct bsc_tracked *tracked);
/* Looks at it and goes on; may destroy it and tell its end. */
void bsc_tracked_advance(struct bsc_tracked *tracked);

/* What the end of a process is in an event. `text`: why it never ran, or that it timed out. */
struct bsc_ending {
    int64_t pid; /* it had; 0: it never ran */
    int wait_status;
    enum bsc_status status; /* of what never ran, or BSC_TIMEOUT */
    char text[512];
};
/* From the directory of something that nobody holds (`directory` may be -1: it is not there). */
void bsc_ending_read(const struct bsc_runtime_process *runtime, int directory,
                     struct bsc_ending *out);
/* Did its shim die, in this boot, before it could end the tree? */
bool bsc_ending_needs_sweep(const struct bsc_runtime_process *runtime, int directory);

/* In runtime_process.c: sets the timer, answers `list` when everything is settled. */
void bsc_runtime_process_turn(struct bsc_runtime_process *runtime);

#endif
