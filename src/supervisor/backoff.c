/* SPDX-License-Identifier: Apache-2.0
 * supervisor/backoff.c - see backoff.h. */
#include "supervisor/backoff.h"

enum { FIRST_MS = 50, LAST_MS = 5000 };

int64_t bsc_backoff_delay(struct bsc_backoff *backoff, int64_t lived_ms)
{
    if (lived_ms >= backoff->settled_ms)
        backoff->next_ms = 0;
    int64_t delay_ms = backoff->next_ms;
    int64_t doubled_ms = delay_ms ? 2 * delay_ms : FIRST_MS;
    backoff->next_ms = doubled_ms < LAST_MS ? doubled_ms : LAST_MS;
    return delay_ms;
}
