/* SPDX-License-Identifier: Apache-2.0
 * cli/refusal.h - why the daemon could not be reached, and what to do about it.
 */
#ifndef BASCULE_CLI_REFUSAL_H
#define BASCULE_CLI_REFUSAL_H

#include "base/error.h"

/* `number` is the errno of the connect. Says whether no daemon runs (how to start one) or its
 * socket is not for this user (which group to join). Returns BSC_UNAVAILABLE. */
enum bsc_status bsc_refusal_explain(const char *socket, int number, struct bsc_error *error);

#endif
