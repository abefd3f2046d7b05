/* SPDX-License-Identifier: Apache-2.0
 * base/signals.h - signals that a process reads from a descriptor, in its loop; its children begin
 * as if it did not.
 */
#ifndef BASCULE_BASE_SIGNALS_H
#define BASCULE_BASE_SIGNALS_H

#include <stddef.h>

#include "base/error.h"

/* From now on these are read from *out (signalfd(2)), all others are delivered; a write to a closed
 * pipe is an error and no signal. */
enum bsc_status bsc_signals_open(const int *taken, size_t count, int *out,
                                 struct bsc_error *error) BSC_MUST_CHECK;
/* In a child, which inherits what is blocked or ignored: nothing is. */
void bsc_signals_reset(void);

#endif
