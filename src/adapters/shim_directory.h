/* SPDX-License-Identifier: Apache-2.0
 * adapters/shim_directory.h - reading and steering a shim through its directory (shim/shim.h).
 *
 * All paths are opened relative to the directory that holds the instances' directories, and no
 * symbolic link is followed.
 */
#ifndef BASCULE_ADAPTERS_SHIM_DIRECTORY_H
#define BASCULE_ADAPTERS_SHIM_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

enum { BSC_BOOT_ID_MAX = 64 };

enum bsc_report_phase {
    BSC_REPORT_STARTING,
    BSC_REPORT_RUNNING,
    BSC_REPORT_STOPPING,
    BSC_REPORT_EXITED,
};

/* What the file `state` says. */
struct bsc_shim_report {
    char boot_id[BSC_BOOT_ID_MAX];
    pid_t shim_pid;
    int64_t pid;
    enum bsc_report_phase phase;
    int wait_status; /* BSC_WAIT_UNKNOWN unless it exited */
    char error[512]; /* "": none */
};

/* An instance's or hook's id is its directory's name: a-z 0-9 and '-', not '-' first. */
bool bsc_shim_id_valid(const char *id);

/* This boot's id; "" when the kernel does not tell. */
void bsc_boot_id_read(char out[static BSC_BOOT_ID_MAX]);

/* The directory's descriptor, or -1 and errno. */
int bsc_shim_directory_open(int instances, const char *id);

/* Makes the directory (0700), or takes the state out of the one that an earlier run left.
 * `durable`: it is still there after a power loss. BSC_BUSY: a shim holds it, nothing was changed.
 */
enum bsc_status bsc_shim_directory_make(int instances, const char *id, bool durable,
                                        struct bsc_error *error) BSC_MUST_CHECK;

/* Does a shim hold the lock? */
bool bsc_shim_locked(int directory);

/* BSC_NOT_FOUND: the shim never wrote one. BSC_CORRUPT: it is not what a shim writes. */
enum bsc_status bsc_shim_report_read(int directory, struct bsc_shim_report *out,
                                     struct bsc_error *error) BSC_MUST_CHECK;

/* Writes one command to the shim. False: it does not listen (yet, or any more). */
bool bsc_shim_command(int directory, const char *command);

/* The end of the output: at most size-1 bytes, whole lines, NUL bytes as spaces. */
void bsc_shim_tail(int directory, char *out, size_t size);

/* Removes the directory with all that is in it, unless a shim holds the lock (BSC_BUSY). */
enum bsc_status bsc_shim_directory_remove(int instances, const char *id,
                                          struct bsc_error *error) BSC_MUST_CHECK;

#endif
