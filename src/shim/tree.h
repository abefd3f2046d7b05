/* SPDX-License-Identifier: Apache-2.0
 * shim/tree.h - all descendants of a process, also those that made their own session.
 *
 * They are found through the parent pids in /proc. As the shim is a subreaper, every descendant
 * has a chain of parents that leads to it, whichever of its ancestors died.
 */
#ifndef BASCULE_SHIM_TREE_H
#define BASCULE_SHIM_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct bsc_process {
    pid_t pid, parent;
    unsigned long long start_ticks; /* with the pid it names a process for good */
    bool in_tree;
};

/* Reads a line of /proc/PID/stat (proc(5)); false when it is not one. */
bool bsc_process_parse(const char *stat, struct bsc_process *out);

/* Marks the descendants of `root`, itself excluded; returns how many there are. Sorts the list. */
size_t bsc_tree_mark(struct bsc_process *list, size_t count, pid_t root);

struct bsc_tree_result {
    size_t reached; /* descendants that got the signal */
    size_t denied;  /* that we may not signal (they changed their user) */
};

/* Sends `signal` to every descendant of this process. */
struct bsc_tree_result bsc_tree_signal(int signal);

#endif
