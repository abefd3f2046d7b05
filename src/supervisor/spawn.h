/* SPDX-License-Identifier: Apache-2.0
 * supervisor/spawn.h - starting a program that talks to us over a channel on its descriptor 3.
 */
#ifndef BASCULE_SUPERVISOR_SPAWN_H
#define BASCULE_SUPERVISOR_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

enum { BSC_EXIT_CANNOT_EXECUTE = 127 };

/* Starts `path` with `argv` in a session of its own (a Ctrl-C is ours to handle), standard input
 * from /dev/null, no signal blocked or ignored. With `bound` it is killed when we die. The other
 * end of the channel goes to *channel, the caller's. A program that can't be executed says so on
 * standard error and exits with BSC_EXIT_CANNOT_EXECUTE. */
enum bsc_status bsc_spawn(const char *path, char *const argv[], bool bound, pid_t *pid,
                          int *channel, struct bsc_error *error) BSC_MUST_CHECK;

#endif
