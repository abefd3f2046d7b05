/* SPDX-License-Identifier: Apache-2.0
 * shim/command.h - starting the command.
 */
#ifndef BASCULE_SHIM_COMMAND_H
#define BASCULE_SHIM_COMMAND_H

#include <sys/types.h>

#include "base/error.h"
#include "shim/options.h"

/* Starts options->command in a process group of its own, killed when this process dies, with
 * standard input from /dev/null, output and error to `output`, no other descriptor, no signal
 * blocked or ignored. When it fails ("exec /x: No such file or directory", "user web: ..."), the
 * child is gone and reaped. */
enum bsc_status bsc_command_spawn(const struct bsc_shim_options *options, int output, pid_t *out,
                                  struct bsc_error *error) BSC_MUST_CHECK;

#endif
