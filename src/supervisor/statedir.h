/* SPDX-License-Identifier: Apache-2.0
 * supervisor/statedir.h - the state directory: made, checked and locked.
 *
 * It holds the database, the instances and sockets through which routes and listening sockets can
 * be taken, so nobody else may be able to change what is in it.
 */
#ifndef BASCULE_SUPERVISOR_STATEDIR_H
#define BASCULE_SUPERVISOR_STATEDIR_H

#include "base/error.h"

/* Opens `path`, made with its parents when missing (0700). BSC_DENIED with what to do when it is a
 * symbolic link, another user's, writable for group or others, or not writable for us. The
 * descriptor is the caller's. */
enum bsc_status bsc_statedir_open(const char *path, int *out,
                                  struct bsc_error *error) BSC_MUST_CHECK;

/* Takes `serve.lock`, which holds our pid from now on; held until the descriptor in *out is closed.
 * BSC_BUSY naming the pid of the supervisor that has it. `path` is for the text. */
enum bsc_status bsc_statedir_lock(int directory, const char *path, int *out,
                                  struct bsc_error *error) BSC_MUST_CHECK;

#endif
