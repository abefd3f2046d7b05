/* SPDX-License-Identifier: Apache-2.0
 * adapters/shim_process.h - shims as processes: started, recognised, ended with all that is theirs.
 *
 * A pid alone names nobody: it is used only as a pidfd that was opened while the process was known
 * to be the right one. Where the kernel has no pidfds (before Linux 5.3, and under valgrind) the
 * shim's lock stands in for them.
 */
#ifndef BASCULE_ADAPTERS_SHIM_PROCESS_H
#define BASCULE_ADAPTERS_SHIM_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "adapters/environment.h"
#include "ports/runtime.h"

/* In the environment of every instance and hook: the absolute path of its directory. It finds what
 * is left of a tree whose shim was killed. */
#define BSC_SHIM_MARKER "BASCULE_DIRECTORY"

struct bsc_shim_handle {
    pid_t pid;
    int pidfd;  /* -1: none, or the kernel has none */
    bool child; /* of this process: it has to be reaped */
};

/* Starts a shim for the instance's directory (absolute `path`) in a session of its own, with no
 * descriptor of ours, so that nothing that happens to this process reaches it. */
enum bsc_status bsc_shim_spawn(const char *shim, const char *path, const struct bsc_launch *launch,
                               struct bsc_shim_handle *out, struct bsc_error *error) BSC_MUST_CHECK;

/* Opens the shim that holds the lock of `directory` (whose absolute path is `path`). False: no
 * process can be proved to be it (now). */
bool bsc_shim_find(int directory, const char *path, struct bsc_shim_handle *out);

/* Has it ended? `directory` is its own, or -1 when that is gone. For a shim without a pidfd; one
 * with it is polled. */
bool bsc_shim_ended(const struct bsc_shim_handle *handle, int directory);

void bsc_shim_kill(const struct bsc_shim_handle *handle);

/* For a shim that has ended: reaps it if it is ours; returns its exit status,
 * or -1 when it is not known or it was killed. */
int bsc_shim_reap(struct bsc_shim_handle *handle);

/* Kills every process that carries the marker `path` in its environment, or belongs to the session
 * of a shim that has just died (0: not known), this process excluded. Returns how many there were:
 * call again until 0. */
unsigned bsc_shim_sweep(const char *path, pid_t session);

#endif
